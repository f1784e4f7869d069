//! The boot menus, for GRUB 2 and for GRUB Legacy: written once, never changed when releases turn over.
//!
//! Entry 0 is whatever `latest` leads to; entry N is the release N places back. An entry whose kernel or initrd is not
//! there hands on to the next, so that a disk with any bootable release boots. The last entry starts again: without it
//! both GRUBs would stand at their menu until somebody came.

use anyhow::{Result, bail};

/// The longest kernel command line that GRUB Legacy hands on; it cuts a longer one without a word.
const LEGACY_MAX: usize = 255;
/// How many old releases the menu offers: as many as are kept by default.
const ARCHIVES: u32 = 5;

/// What the menus depend on.
#[derive(Clone, Debug)]
pub struct Menu {
    /// The label of the boot partition.
    pub label: String,
    /// The serial console's speed in baud.
    pub baud: u32,
    /// How long the menu waits for a key, in seconds.
    pub timeout: u32,
    /// More words for the kernel command line.
    pub extra: String,
}

impl Default for Menu {
    /// Linode's console, and enough time to press a key on it.
    fn default() -> Self {
        Menu { label: wire::cmdline::ROOT_LABEL.into(), baud: 19200, timeout: 3, extra: String::new() }
    }
}

impl Menu {
    /// Whether both GRUBs would take the words as they are written: neither has a quoting that the other knows.
    pub fn check(&self) -> Result<()> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._+~-/:=,@%".contains(c);
        if self.label.is_empty() || self.label.len() > 16 || !self.label.chars().all(|c| plain(c) && c != ',') {
            bail!("the label {:?} must be 1 to 16 letters, digits or . _ + ~ - / : = @ %", self.label);
        }
        if let Some(odd) = self.extra.chars().find(|&c| c != ' ' && !plain(c)) {
            bail!("the kernel command line has {odd:?}, which a boot menu cannot hold");
        }
        let longest = self.command_line("latest").len();
        if longest > LEGACY_MAX {
            bail!("the kernel command line has {longest} bytes, and GRUB Legacy hands on no more than {LEGACY_MAX}");
        }
        Ok(())
    }

    /// `boot/grub/grub.cfg`. GRUB 2 would boot a kernel whose initrd is missing, so it looks for both first; `-s` opens the
    /// file, where `-f` would take a link to nowhere for one.
    pub fn grub_cfg(&self) -> String {
        let Menu { timeout, .. } = self;
        let settings = format!(
            "terminal_input serial\n\
             terminal_output serial\n\
             set timeout={timeout}\n\
             set default=0\n\
             set fallback=\"{}\"\n",
            fallbacks()
        );
        let entry = |Entry { title, directory, line }| {
            format!(
                "menuentry \"{title}\" {{\n  \
                 if [ -s /{directory}/kernel -a -s /{directory}/initrd ]; then\n    \
                 linux /{directory}/kernel {line}\n    \
                 initrd /{directory}/initrd\n  \
                 else\n    \
                 echo \"dock0: {directory} has no kernel or no initrd, trying the next\"\n  \
                 fi\n\
                 }}\n"
            )
        };
        self.head() + &settings + &self.entries(entry) + "menuentry \"start again\" {\n  sleep 5\n  reboot\n}\n"
    }

    /// `boot/grub/menu.lst`
    pub fn menu_lst(&self) -> String {
        let Menu { timeout, .. } = self;
        let settings = format!("terminal --timeout=0 serial\ntimeout {timeout}\ndefault 0\nfallback {}\n", fallbacks());
        let entry = |Entry { title, directory, line }| {
            format!("\ntitle {title}\nroot (hd0)\nkernel /{directory}/kernel {line}\ninitrd /{directory}/initrd\n")
        };
        self.head() + &settings + &self.entries(entry) + "\ntitle start again\nreboot\n"
    }

    /// What both GRUBs write alike.
    fn head(&self) -> String {
        let Menu { baud, .. } = self;
        format!(
            "# Written by dock0 disk. Releases turn over without touching this file.\nserial --unit=0 --speed={baud}\n"
        )
    }

    /// Every entry but the one that starts again, as `write` has it.
    fn entries(&self, write: impl Fn(Entry) -> String) -> String {
        let latest =
            Entry { title: "latest release".into(), directory: "latest".into(), line: self.command_line("latest") };
        let archives = (1..=ARCHIVES).map(|number| Entry {
            title: format!("release {number}"),
            directory: format!("releases/{number}"),
            line: self.command_line(&number.to_string()),
        });
        std::iter::once(latest).chain(archives).map(write).collect()
    }

    fn command_line(&self, release: &str) -> String {
        let Menu { label, baud, extra, .. } = self;
        // panic=: a kernel that gives up tries again, and its menu can fall back; oops=panic: one that loses a worker gives
        // up, where it might stand still for ever. net.ifnames=0: Linode's names.
        // loglevel=6: our steps and what is odd, and not the two hundred lines of the kernel's own steps around them.
        let console = format!("console=ttyS0,{baud}n8 loglevel=6");
        let fixed = format!("root=LABEL={label} dock0.release={release} {console} net.ifnames=0 oops=panic panic=10");
        if extra.is_empty() { fixed } else { format!("{fixed} {extra}") }
    }
}

struct Entry {
    title: String,
    directory: String,
    line: String,
}

/// Every entry after the first, the one that starts again included.
fn fallbacks() -> String {
    (1..=ARCHIVES + 1).map(|number| number.to_string()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_menus_offer_latest_and_five_archives_and_fall_back_through_them() {
        let menu = Menu { timeout: 7, ..Menu::default() };
        let line = |release| {
            format!(
                "root=LABEL=dock0 dock0.release={release} console=ttyS0,19200n8 loglevel=6 net.ifnames=0 oops=panic panic=10\n"
            )
        };
        for (text, fallback, kernel, timeout) in [
            (menu.grub_cfg(), "set fallback=\"1 2 3 4 5 6\"\n", "linux", "set timeout=7\n"),
            (menu.menu_lst(), "fallback 1 2 3 4 5 6\n", "kernel", "timeout 7\n"),
        ] {
            assert!(text.contains(fallback) && text.contains(timeout), "{text}");
            assert!(text.contains(&format!("{kernel} /latest/kernel {}", line("latest"))), "{text}");
            assert!(text.contains(&format!("{kernel} /releases/5/kernel {}", line("5"))), "{text}");
            assert_eq!(text.matches("initrd /").count(), 6, "{text}");
        }
    }

    #[test]
    fn words_that_a_menu_cannot_hold_are_refused() {
        let with = |label: &str, extra: &str| Menu { label: label.into(), extra: extra.into(), ..Menu::default() };
        for (menu, why) in [
            (with("", ""), "the label \"\" must be"),
            (with("seventeen-letters", ""), "the label \"seventeen-letters\" must be"),
            (with("a b", ""), "the label \"a b\" must be"),
            (with("dock0", "a\nreboot"), "the kernel command line has '\\n'"),
            (with("dock0", "a=$b"), "the kernel command line has '$'"),
            (with("dock0", "x;reboot"), "the kernel command line has ';'"),
            (
                with("dock0", &"x".repeat(200)),
                "the kernel command line has 305 bytes, and GRUB Legacy hands on no more than 255",
            ),
        ] {
            let error = menu.check().unwrap_err().to_string();
            assert!(error.starts_with(why), "{error}");
        }
        with("web-1", "quiet dock0.rescue=reboot:5 cowspace=/dev/sdb").check().unwrap();
    }
}
