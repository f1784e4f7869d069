//! The network's child in a VM, on QEMU's user network: its DHCP server and IPv6 router, virtio's card, our own kernel.

use anyhow::{Context, Result, ensure};
use boot_tests::{Boot, Partition, Root};
use dock0::image::Format;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// Brings the network up with the words it is given, shows what is there, takes it down, and shows that again. What a test
/// looks for stands between lines of dashes.
const SCRIPT: &str = r#"
b=/bin/busybox
state() {
    $b ip -o link show $1 | $b sed 's/ qdisc [a-z_]*//'; $b ip -o addr show $1; $b ip route; $b ip -6 route
    $b cat /proc/sys/net/ipv6/conf/$1/accept_ra /proc/sys/net/ipv6/conf/$1/disable_ipv6
}
before="$(state eth0; state lo)"
/sbin/dock0-net / "$@" >/run/said &
child=$!
for i in $($b seq 300); do $b grep -q ^up /run/said && break; $b usleep 100000; done
$b cat /run/said; echo ---; $b cat /etc/resolv.conf; echo ---; $b ip -o addr; $b ip link; echo ---
[ -z "$url" ] || $b wget -q -O - "$url"; echo ---
kill $child; wait $child; echo "ended $?"
after="$(state eth0; state lo)"
[ "$before" = "$after" ] && echo "all as before" || printf '%s\n--- and after:\n%s\n' "$before" "$after"
[ -e /etc/resolv.conf ] && echo "resolv.conf stays" || echo "no resolv.conf"
"#;

/// What the script shows: what the child said, resolv.conf, addresses and links, what came over the network, the end.
fn brought_up(words: &str, url: &str) -> Result<Vec<String>> {
    let init = std::fs::read(boot_tests::init())?;
    let script = format!("url='{url}'\nset -- {words}\n{SCRIPT}");
    let root =
        Root::with_menagerie("r0")?.file("sbin/dock0-net", &init, 0o755)?.file("net.sh", script.as_bytes(), 0o644)?;
    let disk = Partition::with_root(&root.file("etc/passwd", b"", 0o644)?, Format::Erofs)?.disk()?;
    let mut boot = Boot::kernel("probe.run=/bin/busybox,sh,/net.sh net.ifnames=0").scsi(&disk);
    boot.machine.network = qemu::Network::User { forwards: vec![] };
    let facts = boot.facts()?;
    let ran = facts.ran.first().context("the script ran")?;
    ensure!(ran.code == Some(0), "{ran:?}");
    let parts: Vec<String> = ran.out.split("---\n").map(String::from).collect();
    ensure!(parts.len() == 5 && parts[4] == "ended 0\nall as before\nno resolv.conf\n", "{}{}", ran.out, ran.err);
    Ok(parts)
}

/// Answers one HTTP request on 127.0.0.1, which the VM knows as 10.0.2.2: its port.
fn serve(text: &'static str) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    listener.set_nonblocking(true)?;
    std::thread::spawn(move || {
        let deadline = Instant::now() + boot_tests::boot::DEADLINE;
        while Instant::now() < deadline {
            if let Ok((mut stream, _)) = listener.accept() {
                let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
                // A VM that does not read fails the test by what it shows.
                drop(stream.set_nonblocking(false).and_then(|()| stream.read(&mut [0; 1000])));
                drop(stream.write_all(head.as_bytes()));
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    Ok(port)
}

#[test]
fn dhcp() -> Result<()> {
    let port = serve("over the network")?;
    let parts = brought_up("ipv6=off", &format!("http://10.0.2.2:{port}/"))?;
    assert_eq!(parts[0], "up interface=eth0 mtu=1500 address=10.0.2.15/24 gateway=10.0.2.2 dns=10.0.2.3\n");
    assert_eq!(parts[1], "nameserver 10.0.2.3\noptions timeout:2\n");
    assert_eq!(parts[3], "over the network");
    Ok(())
}

#[test]
fn ipv6_alone() -> Result<()> {
    // QEMU's router names a name server only where the host has one of IPv6.
    let parts = brought_up("ipv4=off names=unneeded", "")?;
    let up = parts[0].lines().find(|line| line.starts_with("up ")).context("it is up")?;
    let want = "up interface=eth0 mtu=1500 address=fec0::5054:ff:fe12:3456/64 gateway=fe80::2";
    assert!(up.starts_with(want), "{up}");
    assert!(!parts[2].contains("10.0.2."), "{}", parts[2]);
    Ok(())
}

#[test]
fn a_vlan() -> Result<()> {
    let parts = brought_up("vlan=5 mtu=1400 ipv4=192.0.2.5/24 ipv6=off names=unneeded", "")?;
    assert_eq!(parts[0], "up interface=vlan5 mtu=1400 address=192.0.2.5/24\n");
    assert!(parts[2].contains("vlan5@eth0"), "{}", parts[2]);
    assert!(!parts[2].contains("inet6 fe80"), "neither has IPv6: {}", parts[2]);
    Ok(())
}
