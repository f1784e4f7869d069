//! Lines between PID 1 and its children. A child has read bytes from the network and may be anybody by now, so that its
//! lines are parsed as such: bounded, printable text, numbers of digits alone.

/// The longest line, in bytes, without its end.
pub const MAX_LINE: usize = 2048;

/// Cuts a stream into lines, whatever pieces it comes in.
#[derive(Default)]
pub struct Lines {
    begun: Vec<u8>,
}

/// The stream is none of lines, or a line is none.
#[derive(Debug, PartialEq, Eq)]
pub struct Nonsense;

impl Lines {
    /// Takes the next bytes and hands on each line that is whole by then, without its end. What is no line ends it.
    pub fn take(&mut self, bytes: &[u8], told: &mut dyn FnMut(&[u8]) -> Result<(), Nonsense>) -> Result<(), Nonsense> {
        for byte in bytes {
            if *byte == b'\n' {
                told(&self.begun)?;
                self.begun.clear();
            } else if self.begun.len() < MAX_LINE {
                self.begun.push(*byte);
            } else {
                return Err(Nonsense);
            }
        }
        Ok(())
    }
}

/// Digits and nothing else: no sign, no blank.
pub fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Printable ASCII and blanks: what a terminal does not obey.
pub fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

/// A text as a line may hold it: what is not printable is replaced, and what is too long cut off.
pub fn printable(text: &str) -> String {
    const ROOM: usize = MAX_LINE - 16;
    text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).take(ROOM).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_any_pieces_and_end_where_they_are_none() {
        let stream = b"mirror 0\n\ndone 5\n";
        for size in 1..stream.len() {
            let (mut lines, mut told) = (Lines::default(), Vec::new());
            for piece in stream.chunks(size) {
                let mut tell = |line: &[u8]| {
                    told.push(line.to_vec());
                    Ok(())
                };
                lines.take(piece, &mut tell).unwrap();
            }
            assert_eq!(told, [&b"mirror 0"[..], b"", b"done 5"], "{size}");
        }
        let mut told = 0;
        let taken = Lines::default().take(b"1\n2\n3\n", &mut |line| {
            told += 1;
            if line == b"2" { Err(Nonsense) } else { Ok(()) }
        });
        assert_eq!((taken, told), (Err(Nonsense), 2));
        assert_eq!(Lines::default().take(&vec![b'x'; 1 << 20], &mut |_| Ok(())), Err(Nonsense));
    }

    #[test]
    fn what_is_printable() {
        assert_eq!(printable("a\u{1b}[2J\né"), "a?[2J??");
        assert_eq!(printable(&"x".repeat(5000)).len(), MAX_LINE - 16);
        assert!(is_printable("a b~") && !is_printable("a\tb") && !is_printable("é"));
        assert_eq!(["7", "+7", "", "18446744073709551616", "-1"].map(number), [Some(7), None, None, None, None]);
    }
}
