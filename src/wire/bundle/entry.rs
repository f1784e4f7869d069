//! One entry of a bundle, as its header has it, and the rules that an entry is held to by itself.

use super::refused::Why;
use super::{CONFIG, MAX_COMPONENTS, MAX_FILE, TEMPLATES};
use core::cmp::Ordering;
use core::fmt::{self, Write};
use core::ops::Range;
use core::str::from_utf8;

/// Something in a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'t> {
    /// Where it stands, `config/…`; a directory's ends without a slash.
    pub path: Path<'t>,
    /// Its mode, at most 0777.
    pub mode: u16,
    /// What it is.
    pub what: What<'t>,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'t> {
    /// A directory.
    Directory,
    /// A file and its content.
    File(&'t [u8]),
    /// A symbolic link and what it says.
    Link(&'t str),
}

/// A path in the two pieces that a header has it in. It is shown with a slash between them, and may be anything before it
/// is checked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path<'t> {
    prefix: &'t [u8],
    name: &'t [u8],
}

impl<'t> Path<'t> {
    fn new(prefix: &'t [u8], name: &'t [u8]) -> Self {
        Path { prefix, name }
    }

    /// Its bytes.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + Clone + 't {
        let slash: &[u8] = if self.prefix.is_empty() { b"" } else { b"/" };
        self.prefix.iter().chain(slash).chain(self.name).copied()
    }

    /// What stands between its slashes.
    pub fn components(&self) -> impl Iterator<Item = &'t [u8]> + Clone + 't {
        let is_slash = |byte: &u8| *byte == b'/';
        let prefix = (!self.prefix.is_empty()).then_some(self.prefix);
        prefix.into_iter().flat_map(move |prefix| prefix.split(is_slash)).chain(self.name.split(is_slash))
    }

    /// Whether it is this one.
    pub fn is(&self, path: &str) -> bool {
        self.bytes().eq(path.bytes())
    }

    /// Whether it is this one or lies below it.
    pub fn is_within(&self, path: Path) -> bool {
        let mut own = self.components();
        path.components().all(|component| own.next() == Some(component))
    }

    /// Whether it is [`TEMPLATES`] or lies below it: whether it is of what is laid over the root.
    pub fn is_within_templates(&self) -> bool {
        self.is_within(Path::new(b"", TEMPLATES.as_bytes()))
    }

    /// A directory before what lies in it, and that before its neighbours.
    pub fn tree_order(&self, other: &Path) -> Ordering {
        self.components().cmp(other.components())
    }

    fn is_utf8(&self) -> bool {
        from_utf8(self.prefix).is_ok() && from_utf8(self.name).is_ok()
    }

    /// The same without the slash that a directory's may end with.
    fn without_last_slash(self) -> Self {
        match (self.name, self.name.strip_suffix(b"/")) {
            (_, Some(name)) => Path { name, ..self },
            // The slash is the one between the two.
            ([], None) => Path::new(b"", self.prefix),
            (_, None) => self,
        }
    }
}

impl PartialEq for Path<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes().eq(other.bytes())
    }
}

impl Eq for Path<'_> {}

/// Itself. Where it is not UTF-8, or would be an order to a terminal, that is escaped.
impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash: &[u8] = if self.prefix.is_empty() { b"" } else { b"/" };
        for chunk in [self.prefix, slash, self.name].into_iter().flat_map(<[u8]>::utf8_chunks) {
            for character in chunk.valid().chars() {
                match character {
                    '\'' | '"' => f.write_char(character)?,
                    other => write!(f, "{}", other.escape_debug())?,
                }
            }
            write!(f, "{}", chunk.invalid().escape_ascii())?;
        }
        Ok(())
    }
}

const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const USER: Range<usize> = 108..116;
const GROUP: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const TIME: Range<usize> = 136..148;
const TYPE: Range<usize> = 156..157;
const TARGET: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..265;
const PREFIX: Range<usize> = 345..500;

/// The magic of ustar and its version. GNU tar's own format has spaces there.
const USTAR: &[u8] = b"ustar\x0000";

/// A header of 512 bytes.
#[derive(Clone, Copy)]
pub(super) struct Header<'t>(pub &'t [u8]);

impl<'t> Header<'t> {
    fn raw(self, field: Range<usize>) -> &'t [u8] {
        self.0.get(field).unwrap_or_default()
    }

    /// A text ends with its field or with a zero.
    fn text(self, field: Range<usize>) -> &'t [u8] {
        self.raw(field).split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// Octal digits, and behind them nothing but spaces and zeros. GNU tar writes large and negative numbers in base 256,
    /// which begins with a byte above 127.
    fn octal(self, field: Range<usize>, name: &'static str) -> Result<u64, Why> {
        let bytes = self.raw(field);
        let is_digit = |byte: &u8| (b'0'..=b'7').contains(byte);
        let end = bytes.iter().position(|byte| !is_digit(byte)).unwrap_or(bytes.len());
        let (digits, rest) = bytes.split_at_checked(end).unwrap_or_default();
        match from_utf8(digits).map(|digits| u64::from_str_radix(digits, 8)) {
            Ok(Ok(number)) if rest.iter().all(|byte| matches!(byte, 0 | b' ')) => Ok(number),
            _ => Err(Why::NotOctal(name)),
        }
    }

    fn kind(self) -> u8 {
        self.raw(TYPE).first().copied().unwrap_or_default()
    }

    pub fn path(self) -> Path<'t> {
        // Other formats keep other things where ustar has the prefix.
        let prefix = if self.raw(MAGIC) == USTAR { self.text(PREFIX) } else { b"" };
        Path::new(prefix, self.text(NAME))
    }

    /// The type, if it is none that is taken.
    pub fn check_type(self) -> Result<(), Why> {
        match self.kind() {
            b'0' | 0 | b'2' | b'5' => Ok(()),
            other => Err(Why::Type(other)),
        }
    }

    /// How many bytes follow it.
    pub fn size(self) -> Result<u64, Why> {
        self.octal(SIZE, "size")
    }

    /// The entry, checked by itself; `content` is what follows the header.
    pub fn entry(self, content: &'t [u8]) -> Result<Entry<'t>, Why> {
        self.check_type()?;
        if self.raw(MAGIC) != USTAR {
            return Err(Why::Magic);
        }
        let is_directory = self.kind() == b'5';
        let path = if is_directory { self.path().without_last_slash() } else { self.path() };
        check_path(path)?;
        if !is_directory && (path.is(CONFIG) || path.is(TEMPLATES)) {
            return Err(Why::NotADirectory);
        }
        let what = match self.kind() {
            b'5' => What::Directory,
            b'2' => What::Link(check_target(path, self.text(TARGET))?),
            _ => What::File(content),
        };
        Ok(Entry { path, mode: self.check_numbers(what)?, what })
    }

    /// All numbers that mean something here; returns the mode.
    fn check_numbers(self, what: What) -> Result<u16, Why> {
        let mode = self.octal(MODE, "mode")?;
        let owner = (self.octal(USER, "user")?, self.octal(GROUP, "group")?);
        self.octal(TIME, "time")?;
        let size = self.size()?;
        if owner != (0, 0) {
            return Err(Why::Owner(owner.0, owner.1));
        }
        match what {
            What::File(content) if content.len() > MAX_FILE => return Err(Why::TooLong(size)),
            What::Directory | What::Link(_) if size != 0 => return Err(Why::Content),
            What::File(_) | What::Directory | What::Link(_) => {}
        }
        u16::try_from(mode).ok().filter(|mode| *mode <= 0o777).ok_or(Why::Mode(mode))
    }
}

fn check_path(path: Path) -> Result<(), Why> {
    if !path.is_utf8() {
        return Err(Why::NotUtf8);
    }
    if path.bytes().next() == Some(b'/') {
        return Err(Why::Absolute);
    }
    if path.components().any(|component| matches!(component, b"" | b"." | b"..")) {
        return Err(Why::Component);
    }
    if path.components().count() > MAX_COMPONENTS {
        return Err(Why::TooDeep);
    }
    match path.components().next() == Some(CONFIG.as_bytes()) {
        true => Ok(()),
        false => Err(Why::Outside),
    }
}

/// What a link may say: a relative path that does not go up further than to what becomes the root (`config/templates`; for a
/// link that lies beside that, `config`), and goes up only at its start. So no chain of such links leads out either: none of
/// them lies below another, and each is followed from where it really lies.
fn check_target<'t>(path: Path, target: &'t [u8]) -> Result<&'t str, Why> {
    let target = from_utf8(target).ok().filter(|target| !target.is_empty()).ok_or(Why::NoTarget)?;
    if target.starts_with('/') {
        return Err(Why::AbsoluteTarget);
    }
    let root = if path.is_within_templates() { TEMPLATES } else { CONFIG };
    // The link's own name is not above it.
    let above = path.components().count().saturating_sub(root.split('/').count()).saturating_sub(1);
    let mut parts = target.split('/').filter(|part| !matches!(*part, "" | "."));
    let up = parts.clone().take_while(|part| *part == "..").count();
    match up <= above && parts.by_ref().skip(up).all(|part| part != "..") {
        true => Ok(target),
        false => Err(Why::LeavingTarget),
    }
}
