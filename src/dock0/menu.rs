//! The boot menus, for GRUB 2 and for GRUB Legacy: written once, never changed when releases turn over.
//!
//! Entry 0 is whatever `latest` leads to; entry N is the release N places back. An entry whose kernel or initrd is not
//! there hands on to the next, so that a disk with any bootable release boots. The last entry starts again: without it
//! both GRUBs would stand at their menu until somebody came. Before that the newest is tried once more: where its starts are spent
//! and nothing else can be loaded, one that never came up so far is better than none.
//!
//! While the newest release is on trial both count how often they start it, each in a file of its own ([`wire::grubenv`]), and
//! then start the one before it. PID 1 sets the count back, so that it falls only where a kernel never comes that far. A release
//! that a boot loader starts in the place of the newest has an entry of its own for that, which tells it so: `dock0.fallback`. What
//! somebody picks from the menu is not counted, unless it is the newest.

use anyhow::{Result, bail};
use menagerie::state::MAX_TRIES;
use wire::grubenv::{LEGACY_ENTRIES, VARIABLE};

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
        let longest = self.fallback_line(ARCHIVES).len();
        if longest > LEGACY_MAX {
            bail!("the kernel command line has {longest} bytes, and GRUB Legacy hands on no more than {LEGACY_MAX}");
        }
        Ok(())
    }

    /// `boot/grub/grub.cfg`. GRUB 2 would boot a kernel whose initrd is missing, so it looks for both first; `-s` opens the
    /// file, where `-f` would take a link to nowhere for one.
    pub fn grub_cfg(&self) -> String {
        let Menu { timeout, .. } = self;
        let start_again = ARCHIVES + 1;
        let (first, last) = (start_again + 1, start_again + ARCHIVES);
        let settings = format!(
            "terminal_input serial\n\
             terminal_output serial\n\
             set timeout={timeout}\n\
             set default=0\n\
             set fallback=\"{} 0 {start_again}\"\n\
             load_env {VARIABLE}\n\
             if [ \"${VARIABLE}\" = 0 ]; then\n  \
             echo \"dock0: the latest release was started as often as it may be, and never came up\"\n  \
             set default={first}\n\
             fi\n{}",
            numbers(first..=last),
            counting()
        );
        let entry = |title: &str, directory: &str, line: &str, then: &str| {
            format!(
                "menuentry \"{title}\" {{\n  \
                 if [ -s /{directory}/kernel -a -s /{directory}/initrd ]; then\n    \
                 {then}linux /{directory}/kernel {line}\n    \
                 initrd /{directory}/initrd\n  \
                 else\n    \
                 echo \"dock0: {directory} has no kernel or no initrd, trying the next\"\n  \
                 fi\n\
                 }}\n"
            )
        };
        let plain = self.entries(|Entry { number, title, directory, line }| {
            entry(&title, &directory, &line, if number == 0 { COUNT } else { "" })
        });
        let instead = self.entries_instead(|title, directory, line| entry(title, directory, line, ""));
        self.head() + &settings + &plain + "menuentry \"start again\" {\n  sleep 5\n  reboot\n}\n" + &instead
    }

    /// `boot/grub/menu.lst`
    pub fn menu_lst(&self) -> String {
        let Menu { timeout, .. } = self;
        let [first, .., last] = LEGACY_ENTRIES.map(u32::from);
        let settings = format!(
            "terminal --timeout=0 serial\ntimeout {timeout}\ndefault saved\nfallback {} 0 {}\n",
            numbers(last + 1..=last + ARCHIVES),
            first - 1
        );
        let entry = |title: &str, directory: &str, line: &str, then: &str| {
            format!(
                "\ntitle {title}\nroot (hd0)\n{then}kernel /{directory}/kernel {line}\ninitrd /{directory}/initrd\n"
            )
        };
        let plain = self.entries(|Entry { title, directory, line, .. }| entry(&title, &directory, &line, ""));
        let trials = (first..=last).map(|number| {
            let title = format!("latest release, on trial: start {} of {}", number - first + 1, LEGACY_ENTRIES.len());
            entry(&title, "latest", &self.command_line("latest"), &format!("savedefault {}\n", number + 1))
        });
        let instead = self.entries_instead(|title, directory, line| entry(title, directory, line, ""));
        let trials: String = trials.collect();
        self.head() + &settings + &plain + "\ntitle start again\nreboot\n" + &trials + &instead
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
        let (title, directory) = ("latest release".into(), "latest".into());
        let latest = Entry { number: 0, title, directory, line: self.command_line("latest") };
        let archives = (1..=ARCHIVES).map(|number| Entry {
            number,
            title: format!("release {number}"),
            directory: archive(number),
            line: self.command_line(&number.to_string()),
        });
        std::iter::once(latest).chain(archives).map(write).collect()
    }

    /// The entries of which nobody picks one: by title, directory and line, as `write` has them.
    fn entries_instead(&self, write: impl Fn(&str, &str, &str) -> String) -> String {
        let one = |number| {
            let title = format!("release {number}, since the latest did not start");
            write(&title, &archive(number), &self.fallback_line(number))
        };
        (1..=ARCHIVES).map(one).collect()
    }

    fn fallback_line(&self, number: u32) -> String {
        format!("{} {FALLBACK_WORD}", self.command_line(&number.to_string()))
    }

    fn command_line(&self, release: &str) -> String {
        let Menu { label, baud, extra, .. } = self;
        // panic=: a kernel that gives up tries again, and its menu can fall back; oops=panic: one that loses a worker gives
        // up, where it might stand still for ever. net.ifnames=0: Linode's names.
        // loglevel=6: our steps and what is odd, and not the two hundred lines of the kernel's own steps around them.
        let console = format!("console=ttyS0,{baud}n8 loglevel=6");
        // watchdog.stop_on_reboot=0: one that is armed watches over kexec, too, until the next kernel has come up.
        let panic = "oops=panic panic=10 watchdog.stop_on_reboot=0";
        let fixed = format!("root=LABEL={label} dock0.release={release} {console} net.ifnames=0 {panic}");
        if extra.is_empty() { fixed } else { format!("{fixed} {extra}") }
    }
}

struct Entry {
    number: u32,
    title: String,
    directory: String,
    line: String,
}

/// What an entry learns that is started in the place of the newest release.
const FALLBACK_WORD: &str = "dock0.fallback";

/// What GRUB 2 calls before it starts the newest release.
const COUNT: &str = "dock0_count\n    ";

/// How GRUB 2 counts, which cannot calculate: each number has its line.
fn counting() -> String {
    let lines = (1..=MAX_TRIES).map(|tries| {
        let (word, less) = (if tries == 1 { "if" } else { "elif" }, tries - 1);
        format!("  {word} [ \"${VARIABLE}\" = {tries} ]; then\n    set {VARIABLE}={less}\n    save_env {VARIABLE}\n")
    });
    format!("function dock0_count {{\n{}  fi\n}}\n", lines.collect::<String>())
}

fn archive(number: u32) -> String {
    format!("releases/{number}")
}

fn numbers(entries: std::ops::RangeInclusive<u32>) -> String {
    entries.map(|number| number.to_string()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_menus_offer_latest_and_five_archives_and_fall_back_through_them() {
        let menu = Menu { timeout: 7, ..Menu::default() };
        let line = |release| {
            format!(
                "root=LABEL=dock0 dock0.release={release} console=ttyS0,19200n8 loglevel=6 net.ifnames=0 oops=panic \
                 panic=10 watchdog.stop_on_reboot=0"
            )
        };
        for (text, fallback, kernel, timeout) in [
            (menu.grub_cfg(), "set fallback=\"7 8 9 10 11 0 6\"\n", "linux", "set timeout=7\n"),
            (menu.menu_lst(), "fallback 10 11 12 13 14 0 6\n", "kernel", "timeout 7\n"),
        ] {
            assert!(text.contains(fallback) && text.contains(timeout), "{text}");
            assert!(text.contains(&format!("{kernel} /latest/kernel {}\n", line("latest"))), "{text}");
            assert!(text.contains(&format!("{kernel} /releases/5/kernel {}\n", line("5"))), "{text}");
            assert!(text.contains(&format!("{kernel} /releases/5/kernel {} dock0.fallback\n", line("5"))), "{text}");
        }
        assert_eq!(menu.grub_cfg().matches("initrd /").count(), 11);
    }

    /// What they do with it boots try out.
    #[test]
    fn both_menus_count_the_starts_of_a_release_on_trial() {
        let text = Menu::default().grub_cfg();
        for tries in 1..=9 {
            let less = tries - 1;
            let counts = format!(
                "if [ \"$dock0_tries\" = {tries} ]; then\n    set dock0_tries={less}\n    save_env dock0_tries\n"
            );
            assert!(text.contains(&counts), "{text}");
        }
        assert!(text.contains("if [ \"$dock0_tries\" = 0 ]; then\n"), "{text}");
        let entries: Vec<&str> = text.split("\nmenuentry ").skip(1).collect();
        assert_eq!(entries.len(), 12);
        for (number, entry) in entries.iter().enumerate() {
            assert_eq!(entry.contains("dock0_count"), number == 0, "only what starts the latest counts: {entry}");
            assert_eq!(entry.contains("dock0.fallback"), number > 6, "{entry}");
        }
        let entries = Menu::default().menu_lst();
        let entries: Vec<&str> = entries.split("\ntitle ").skip(1).collect();
        assert_eq!(entries.len(), 15);
        for (entry, directory, then) in [
            (0, "latest", None),
            (5, "releases/5", None),
            (7, "latest", Some("savedefault 8\n")),
            (9, "latest", Some("savedefault 10\n")),
            (10, "releases/1", Some("dock0.release=1 ")),
            (14, "releases/5", Some("dock0.fallback\n")),
        ] {
            let text = entries[entry];
            assert!(text.contains(&format!("kernel /{directory}/kernel ")), "{entry}: {text}");
            assert_eq!(text.contains("savedefault"), (7..10).contains(&entry), "{entry}: {text}");
            assert_eq!(text.contains("dock0.fallback"), entry >= 10, "{entry}: {text}");
            assert!(then.is_none_or(|then| text.contains(then)), "{entry}: {text}");
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
                "the kernel command line has 341 bytes, and GRUB Legacy hands on no more than 255",
            ),
        ] {
            let error = menu.check().unwrap_err().to_string();
            assert!(error.starts_with(why), "{error}");
        }
        with("web-1", "quiet dock0.rescue=reboot:5 cowspace=/dev/sdb").check().unwrap();
    }
}
