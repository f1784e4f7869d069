//! The words of a kernel command line, separated as the kernel separates them (`next_arg` in `lib/cmdline.c`): ASCII
//! white space between them, double quotes to keep one together, `--` before what is not for the kernel.

/// The words before `--`, each as a name and, where it has a `=`, a value; outer quotes are taken off.
pub fn parameters(line: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    Words::of(line).take_while(|word| *word != b"--").map(|word| {
        let word = unquote(word);
        match word.iter().position(|&byte| byte == b'=') {
            Some(at) => (word.get(..at).unwrap_or_default(), word.get(at.saturating_add(1)..).map(unquote)),
            None => (word, None),
        }
    })
}

/// The line without its last word, which may be the half of one.
pub fn without_last_word(line: &[u8]) -> &[u8] {
    let mut words = Words::of(line);
    let mut before_last = line;
    while !words.rest.trim_ascii_start().is_empty() {
        before_last = words.rest;
        words.next();
    }
    line.get(..line.len().saturating_sub(before_last.len())).unwrap_or_default()
}

/// The words as they are written, `--` and what is behind it too.
pub struct Words<'l> {
    rest: &'l [u8],
}

impl<'l> Words<'l> {
    /// Those of a line.
    pub fn of(line: &'l [u8]) -> Words<'l> {
        Words { rest: line }
    }
}

impl<'l> Iterator for Words<'l> {
    type Item = &'l [u8];

    fn next(&mut self) -> Option<&'l [u8]> {
        let rest = self.rest.trim_ascii_start();
        let mut quoted = false;
        let end = rest.iter().position(|&byte| {
            quoted ^= byte == b'"';
            !quoted && byte.is_ascii_whitespace()
        });
        let (word, rest) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }
}

fn unquote(text: &[u8]) -> &[u8] {
    match text.strip_prefix(b"\"") {
        Some(inside) => inside.strip_suffix(b"\"").unwrap_or(inside),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    #[test]
    fn words_are_split_as_the_kernel_splits_them() {
        type Parameter = (&'static [u8], Option<&'static [u8]>);
        let rows: [(&[u8], &[Parameter]); 8] = [
            (b"", &[]),
            (b" \t\n", &[]),
            (b"a=1\tb  c=\n", &[(b"a", Some(b"1")), (b"b", None), (b"c", Some(b""))]),
            (b"a=\"x y\" b", &[(b"a", Some(b"x y")), (b"b", None)]),
            (b"\"a=x y\" b", &[(b"a", Some(b"x y")), (b"b", None)]),
            (b"a=\"x y", &[(b"a", Some(b"x y"))]),
            (b"a=b=c", &[(b"a", Some(b"b=c"))]),
            (b"a -- b", &[(b"a", None)]),
        ];
        for (line, want) in rows {
            assert_eq!(parameters(line).collect::<Vec<_>>(), want, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn the_last_word_can_be_left_out() {
        for (line, want) in
            [(&b"a b c"[..], &b"a b"[..]), (b"a b=\"c d", b"a"), (b"a", b""), (b"", b""), (b"a b ", b"a")]
        {
            assert_eq!(without_last_word(line), want, "{}", line.escape_ascii());
        }
    }
}
