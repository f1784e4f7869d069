//! Writing a command so that a person can paste it into a shell.

/// One word, quoted only if a POSIX shell would read it as anything but itself.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The program and its arguments on one line.
pub fn command_line(program: &str, args: &[String]) -> String {
    let mut line = quote(program);
    for arg in args {
        line.push(' ');
        line.push_str(&quote(arg));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_only_what_needs_it() {
        let table = [
            ("plain", "q35", "q35"),
            ("options", "file=/tmp/a.img,format=raw", "file=/tmp/a.img,format=raw"),
            ("empty", "", "''"),
            ("space", "console=ttyS0 quiet", "'console=ttyS0 quiet'"),
            ("quote", "it's", r"'it'\''s'"),
            ("dollar", "$HOME", "'$HOME'"),
            ("newline", "a\nb", "'a\nb'"),
            ("not ASCII", "é", "'é'"),
        ];
        for (name, word, wanted) in table {
            assert_eq!(quote(word), wanted, "{name}");
        }
    }

    #[test]
    fn joins_words() {
        assert_eq!(command_line("qemu", &["-append".into(), "a b".into()]), "qemu -append 'a b'");
    }

    #[test]
    fn a_shell_reads_the_words_back() {
        let words: Vec<String> = ["a b", "it's", "$(false) `x` \\", "*", "é\u{1}\t"].map(String::from).into();
        let line = command_line("printf", &[vec!["%s\\n".to_string()], words.clone()].concat());
        let out = std::process::Command::new("sh").args(["-c", &line]).output().expect("a POSIX shell");
        assert_eq!(String::from_utf8_lossy(&out.stdout), words.iter().map(|w| format!("{w}\n")).collect::<String>());
    }
}
