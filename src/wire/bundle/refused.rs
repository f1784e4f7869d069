//! Why a bundle is refused, in a sentence that names what is wrong.

use super::entry::Path;
use super::{MAX_COMPONENTS, MAX_ENTRIES, MAX_FILE, MAX_UNPACKED, TEMPLATES};
use core::fmt;

/// Why a bundle is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused<'t> {
    /// It cannot be unpacked.
    Gzip(NotGzip),
    /// It is no archive, or too large a one.
    Archive(Flaw),
    /// This one of its entries.
    Entry(Path<'t>, Why),
}

/// What is wrong with a gzip file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotGzip {
    /// It begins as none.
    Start,
    /// Its header has more than a file name.
    Flags,
    /// It ends before its end.
    CutOff,
    /// What is packed is damaged.
    Body,
    /// It has more in it than there is room for.
    TooLong,
    /// It holds other bytes than were packed.
    Checksum,
    /// It holds more or fewer bytes than were packed.
    Length,
    /// Something comes after it.
    More,
}

/// What is wrong with an archive as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing is in it.
    Empty,
    /// It is no number of blocks.
    Ragged,
    /// It does not end with two blocks of zeros.
    NoEnd,
    /// Something comes after its end.
    More,
    /// It has too many entries.
    TooMany,
    /// It is longer than a bundle may be.
    TooLong,
    /// It has nothing that could be laid over the root.
    NoTemplates,
}

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The header is damaged.
    Checksum,
    /// The archive ends before it.
    CutOff,
    /// It is of this type, which is none that is taken.
    Type(u8),
    /// It is no ustar.
    Magic,
    /// This field is no octal number.
    NotOctal(&'static str),
    /// It has a mode beyond 0777.
    Mode(u64),
    /// It belongs to somebody else.
    Owner(u64, u64),
    /// It is longer than a file may be.
    TooLong(u64),
    /// It has content, and is no file.
    Content,
    /// The path is not UTF-8.
    NotUtf8,
    /// The path begins with a slash.
    Absolute,
    /// A component of the path is empty, `.` or `..`.
    Component,
    /// The path has too many components.
    TooDeep,
    /// It is not below `config/`.
    Outside,
    /// It must be a directory.
    NotADirectory,
    /// There are two of it.
    Twice,
    /// It lies below what is no directory.
    BelowAFile,
    /// What the link points at is empty or not UTF-8.
    NoTarget,
    /// The link points at an absolute path.
    AbsoluteTarget,
    /// The link leaves what it lies in, or goes up after it went down.
    LeavingTarget,
}

impl From<NotGzip> for Refused<'_> {
    fn from(why: NotGzip) -> Self {
        Refused::Gzip(why)
    }
}

impl fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Gzip(why) => write!(f, "the bundle {why}"),
            Refused::Archive(why) => write!(f, "the bundle {why}"),
            Refused::Entry(path, why) => write!(f, "in the bundle {path} {why}"),
        }
    }
}

impl fmt::Display for NotGzip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotGzip::Start => "is no gzip file",
            NotGzip::Flags => "has a gzip header with more in it than a file name",
            NotGzip::CutOff => "is cut off: the gzip file ends too early",
            NotGzip::Body => "is damaged: it cannot be unpacked",
            NotGzip::TooLong => return write!(f, "unpacks to more than {} MiB", MAX_UNPACKED >> 20),
            NotGzip::Checksum => "is damaged: its CRC-32 is wrong",
            NotGzip::Length => "is damaged: it unpacks to another length than its trailer says",
            NotGzip::More => "has something behind the gzip file, which must be one and alone",
        })
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Flaw::Empty => "has nothing in it",
            Flaw::Ragged => "is no archive: its length is no multiple of 512 bytes",
            Flaw::NoEnd => "is cut off: the archive does not end with two blocks of zeros",
            Flaw::More => "has something behind the end of the archive",
            Flaw::TooMany => {
                return write!(f, "has more than {MAX_ENTRIES} files, directories and links");
            }
            Flaw::TooLong => return write!(f, "unpacks to more than {} MiB", MAX_UNPACKED >> 20),
            Flaw::NoTemplates => return write!(f, "has no {TEMPLATES}/, which is what lies over the VM's root"),
        })
    }
}

/// Types of entries by the names people know them by (POSIX.1-1988; GNU tar's manual, "Basic Tar Format").
const TYPES: &[(u8, &str)] = &[
    (b'1', "is a hard link"),
    (b'3', "is a character device"),
    (b'4', "is a block device"),
    (b'6', "is a pipe"),
    (b'7', "is a contiguous file"),
    (b'x', "is a PAX header (tar --format=ustar writes none)"),
    (b'g', "is a PAX header for all that follows (tar --format=ustar writes none)"),
    (b'L', "is a long name of GNU tar's (tar --format=ustar writes none)"),
    (b'K', "is a long link of GNU tar's (tar --format=ustar writes none)"),
    (b'S', "is a sparse file"),
];

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::Checksum => "has a damaged header: its checksum is wrong",
            Why::CutOff => "is cut off: the archive ends before it",
            Why::Type(found) => return write_type(f, *found),
            Why::Magic => "is no ustar entry (tar --format=ustar writes them)",
            Why::NotOctal(field) => return write!(f, "has a {field} that is no octal number"),
            Why::Mode(mode) => return write!(f, "has the mode {mode:o}; at most 777 can be"),
            Why::Owner(user, group) => {
                return write!(f, "belongs to user {user} and group {group}; both must be 0 (tar --owner=0 --group=0)");
            }
            Why::TooLong(size) => return write!(f, "has {size} bytes; at most {} MiB can be", MAX_FILE >> 20),
            Why::Content => "has content, and is no file",
            Why::NotUtf8 => "has a path that is not UTF-8",
            Why::Absolute => "has an absolute path",
            Why::Component => "has a path with an empty, . or .. component",
            Why::TooDeep => return write!(f, "has a path of more than {MAX_COMPONENTS} components"),
            Why::Outside => "is not below config/",
            Why::NotADirectory => "must be a directory",
            Why::Twice => "is there twice",
            Why::BelowAFile => "lies below what is no directory",
            Why::NoTarget => "is a link to nothing that is UTF-8",
            Why::AbsoluteTarget => "is a link to an absolute path; a relative one can be",
            Why::LeavingTarget => {
                "is a link that may lead out of the bundle; .. may stand only at its start, and no oftener than there are \
                 directories above it"
            }
        })
    }
}

fn write_type(f: &mut fmt::Formatter<'_>, found: u8) -> fmt::Result {
    match TYPES.iter().find(|(known, _)| *known == found) {
        Some((_, is)) => write!(f, "{is}; only files, directories and symbolic links can be"),
        None => write!(
            f,
            "is of the unknown type '{}'; only files, directories and symbolic links can be",
            found.escape_ascii()
        ),
    }
}
