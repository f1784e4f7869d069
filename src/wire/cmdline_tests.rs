//! The kernel command line, row by row.

extern crate std;
use super::*;
use std::format;
use std::string::ToString;

fn label(text: &str) -> DeviceSpec {
    DeviceSpec::Label(word(text))
}

#[test]
fn nothing_asked_is_the_defaults() {
    let cmdline = parse(b"BOOT_IMAGE=/latest/kernel quiet console=ttyS0,19200n8 panic=10\n").unwrap();
    assert_eq!(cmdline, Cmdline::default());
    assert_eq!(cmdline.root, label("dock0"));
    assert_eq!((cmdline.basepath.as_str(), cmdline.init.as_str()), ("/run/vm", "/sbin/init"));
}

#[test]
fn every_parameter_is_read() {
    let line = b"root=/dev/sdb basepath=/run/place rootfspath=/images/a.erofs cowspace=UUID=00112233-4455-6677-8899-aabbccddeeff \
        fancy init=/lib/systemd/systemd dock0.release=5 dock0.config=skip dock0.wait=3 dock0.deadline=4 dock0.drill=panic";
    let cmdline = parse(line).unwrap();
    let uuid = [0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
    assert_eq!(cmdline.root, DeviceSpec::Path(word("/dev/sdb")));
    assert_eq!(cmdline.basepath.as_str(), "/run/place");
    assert_eq!(cmdline.rootfspath.unwrap().as_str(), "images/a.erofs");
    assert_eq!(cmdline.cowspace, Some(DeviceSpec::Uuid(uuid)));
    assert_eq!(cmdline.init.as_str(), "/lib/systemd/systemd");
    assert_eq!((cmdline.fancy, cmdline.release, cmdline.config), (true, Selection::Number(5), ConfigPolicy::Skip));
    assert_eq!((cmdline.wait, cmdline.deadline, cmdline.drill), (3, 4, Some(Drill::Panic)));
}

#[test]
fn the_right_word_is_found_among_others() {
    for (case, line, want) in [
        ("the last one wins", &b"root=LABEL=a root=LABEL=b"[..], label("b")),
        ("after --", b"root=LABEL=a -- root=LABEL=b", label("a")),
        ("a longer name", b"rootx=LABEL=b xroot=LABEL=c", label("dock0")),
        ("garbage around", b"\xff\xfe= =\x00 root=LABEL=a ==\" \x80", label("a")),
    ] {
        assert_eq!(parse(line).unwrap().root, want, "{case}");
    }
}

#[test]
fn a_bad_value_is_an_error_that_names_it() {
    let device = "must be /dev/NAME, LABEL=NAME (at most 16 characters) or UUID=UUID";
    let long = format!("init=/{}", "x".repeat(300));
    for (line, parameter, must) in [
        (&b"root=sda"[..], "root=sda", device),
        (b"root=", "root=", device),
        (b"root", "root=", device),
        (b"root=/etc/passwd", "root=/etc/passwd", device),
        (b"root=LABEL=", "root=LABEL=", device),
        (b"root=LABEL=seventeen-letters", "root=LABEL=seventeen-letters", device),
        (b"root=UUID=00112233-4455-6677-8899-aabbccddeeff0", "root=UUID=00112233-4455-6677-8899-aabbccddeeff0", device),
        (b"root=LABEL=\xff\x1b", r"root=LABEL=\xff\x1b", device),
        (b"cowspace=tmpfs", "cowspace=tmpfs", device),
        (b"basepath=/mnt", "basepath=/mnt", "must be a directory below /run, of letters, digits and . _ + ~ - /"),
        (
            b"basepath=/run/../x",
            "basepath=/run/../x",
            "must be a directory below /run, of letters, digits and . _ + ~ - /",
        ),
        (
            b"basepath=/run/a,b",
            "basepath=/run/a,b",
            "must be a directory below /run, of letters, digits and . _ + ~ - /",
        ),
        (b"rootfspath=a/../b", "rootfspath=a/../b", "must be a path on the boot partition, without . or .. in it"),
        (b"rootfspath=\xc3", r"rootfspath=\xc3", "must be a path on the boot partition, without . or .. in it"),
        (b"init=sh", "init=sh", "must be an absolute path of at most 255 characters"),
        (b"dock0.release=new", "dock0.release=new", "must be latest or a number"),
        (b"dock0.release=-1", "dock0.release=-1", "must be latest or a number"),
        (
            b"dock0.config=wait:90000",
            "dock0.config=wait:90000",
            "must be auto, skip, wait or wait:SECONDS (at most 86400)",
        ),
        (b"dock0.wait=86401", "dock0.wait=86401", "must be a number of seconds up to 86400"),
        (b"dock0.drill=fire", "dock0.drill=fire", "must be error, panic or hang"),
        (
            b"dock0.rescue=dance",
            "dock0.rescue=dance",
            "must be network, network:SECONDS, reboot, reboot:SECONDS, poweroff, halt or shell",
        ),
    ] {
        let want = format!("kernel command line: {parameter}: {must}");
        assert_eq!(parse(line).unwrap_err().to_string(), want);
    }
    let sentence = parse(long.as_bytes()).unwrap_err().to_string();
    assert_eq!(sentence.matches('x').count(), 63, "a long value is cut: {sentence}");
}

#[test]
fn a_configuration_is_waited_for_as_long_as_is_said() {
    for (line, config) in [
        (&b"dock0.config=auto"[..], ConfigPolicy::Auto),
        (b"dock0.config=wait", ConfigPolicy::Wait { seconds: None }),
        (b"dock0.config=wait:0", ConfigPolicy::Wait { seconds: Some(0) }),
        (b"dock0.config=wait:86400", ConfigPolicy::Wait { seconds: Some(86_400) }),
    ] {
        assert_eq!(parse(line).unwrap().config, config, "{}", line.escape_ascii());
    }
}

#[test]
fn rescue_holds_even_beside_a_bad_parameter() {
    for (line, want) in [
        (&b""[..], RescuePolicy::Network { seconds: 900 }),
        (b"dock0.rescue=network", RescuePolicy::Network { seconds: 900 }),
        (b"dock0.rescue=network:60", RescuePolicy::Network { seconds: 60 }),
        (b"dock0.rescue=reboot", RescuePolicy::Reboot { seconds: 30 }),
        (b"root=bad dock0.rescue=reboot:5", RescuePolicy::Reboot { seconds: 5 }),
        (b"dock0.rescue=poweroff init=bad", RescuePolicy::Poweroff),
        (b"dock0.rescue=halt dock0.rescue=dance", RescuePolicy::Halt),
        (b"dock0.rescue=shell", RescuePolicy::Shell),
        (b"dock0.rescue=reboot:99999999999", RescuePolicy::Network { seconds: 900 }),
    ] {
        assert_eq!(rescue_policy(line), want, "{}", line.escape_ascii());
    }
}

#[test]
fn unknown_words_of_ours_are_reported_and_the_rest_is_not() {
    let cmdline = parse(b"dock0.relaese=1 dock0.a dock0.b=\xff dock0.c dock0.d dock9=1").unwrap();
    let unknown: std::vec::Vec<&str> = cmdline.unknown.iter().map(|word| word.as_str()).collect();
    assert_eq!(unknown, ["dock0.relaese", "dock0.a", "dock0.b", "dock0.c"]);
}

#[test]
fn a_line_as_long_as_the_kernel_allows_loses_its_last_word() {
    let fill = |tail: &str, len: usize| format!("{}{tail}", "x".repeat(len - tail.len()));
    let cut = parse(fill(" dock0.release=1", KERNEL_MAX).as_bytes()).unwrap();
    assert_eq!((cut.cut_off, cut.release), (true, Selection::Latest));
    let whole = parse(fill(" dock0.release=1", KERNEL_MAX - 1).as_bytes()).unwrap();
    assert_eq!((whole.cut_off, whole.release), (false, Selection::Number(1)));
    let with_newline = parse(fill(" dock0.release=1\n", KERNEL_MAX).as_bytes()).unwrap();
    assert_eq!((with_newline.cut_off, with_newline.release), (false, Selection::Number(1)));
}

#[test]
fn no_bytes_panic_the_parser() {
    // A linear congruential generator: every run tries the same 20,000 lines of our own words and of noise.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap()
    };
    let pieces: [&[u8]; 12] = [
        b"root=",
        b"LABEL=",
        b"UUID=",
        b"dock0.",
        b"release=",
        b"rescue=reboot:",
        b"\"",
        b" ",
        b"--",
        b"\xff\x00",
        b"9",
        b"/run/",
    ];
    for _ in 0..20_000 {
        let mut line = std::vec::Vec::new();
        for _ in 0..next() % 20 {
            line.extend_from_slice(pieces[next() % pieces.len()]);
        }
        let parsed = parse(&line);
        assert!(rescue_policy(&line) == RescuePolicy::default() || line.windows(6).any(|w| w == b"rescue"));
        if let Ok(cmdline) = parsed {
            assert!(cmdline.basepath.starts_with("/run/"));
        }
    }
}

#[test]
fn what_the_boot_loader_chose_is_told_from_what_somebody_chose() {
    for (line, want) in [
        (&b""[..], Entry::Asked(Selection::Latest)),
        (b"dock0.release=2", Entry::Asked(Selection::Number(2))),
        (b"dock0.release=2 dock0.fallback", Entry::Instead(2)),
        (b"dock0.fallback", Entry::Asked(Selection::Latest)),
    ] {
        assert_eq!(parse(line).unwrap().entry(), want, "{}", line.escape_ascii());
    }
}

#[test]
fn the_line_for_the_newest_release_is_the_same_but_for_the_choice() {
    for (line, want) in [
        (
            "BOOT_IMAGE=/releases/1/kernel root=LABEL=dock0 dock0.release=1 dock0.fallback panic=10\n",
            "root=LABEL=dock0 panic=10",
        ),
        ("a=\"x dock0.release=1\" dock0.release=latest b -- c", "a=\"x dock0.release=1\" b -- c"),
        ("", ""),
    ] {
        assert_eq!(std::str::from_utf8(&for_newest(line.as_bytes())), Ok(want), "{line}");
    }
}
