//! Settings, row by row: what is taken, and the sentence for each that is not.

extern crate std;
use super::*;
use std::string::ToString;

fn network(json: &str) -> Result<std::string::String, std::string::String> {
    let json = std::format!("{{\"network\":{json}}}");
    parse(json.as_bytes()).map(|settings| settings.network.to_string()).map_err(|bad| bad.to_string())
}

#[test]
fn nothing_is_needed() {
    for json in ["{}", " {\n} ", r#"{"network":{}}"#, r#"{"manifest":{},"network":{"ipv4":{},"dns":[]}}"#] {
        assert_eq!(parse(json.as_bytes()), Ok(Settings::default()), "{json}");
    }
}

#[test]
fn everything_can_be_set() {
    let json = r#"{
        "manifest": {"url": "https:\/\/example.com/release.json", "product": "dock0", "channel": "stable"},
        "network": {
            "interface": "eth0", "vlan": 5, "mtu": 1400,
            "ipv4": {"method": "static", "address": "192.0.2.5/24", "gateway": "192.0.2.1"},
            "ipv6": {"method": "static", "address": "2001:db8::5/64", "gateway": "fe80::1"},
            "dns": ["192.0.2.53", "2001:db8::53"]
        },
        "check": "boot", "check_seconds": 5, "tries": 1, "watchdog": 60,
        "config": {"port": 443, "store": "memory"}
    }"#;
    let settings = parse(json.as_bytes()).unwrap();
    assert_eq!(settings.manifest.url.as_deref(), Some("https://example.com/release.json"));
    assert_eq!(settings.manifest.product.as_deref(), Some("dock0"));
    assert_eq!(settings.manifest.channel.as_deref(), Some("stable"));
    assert_eq!((settings.check, settings.check_seconds), (Check::Boot, 5));
    assert_eq!((settings.tries, settings.watchdog), (1, 60));
    assert_eq!(settings.config, Config { port: 443, store: Store::Memory });
    assert_eq!(
        settings.network.to_string(),
        "interface=eth0 vlan=5 mtu=1400 ipv4=192.0.2.5/24,192.0.2.1 ipv6=2001:db8::5/64,fe80::1 \
         dns=192.0.2.53 dns=2001:db8::53"
    );
}

#[test]
fn methods() {
    for (json, want) in [
        (r#"{"ipv4":{"method":"dhcp"},"ipv6":{"method":"auto"}}"#, "ipv4=dhcp ipv6=auto"),
        (r#"{"ipv4":{"method":"off"},"ipv6":{"method":"off"}}"#, "ipv4=off ipv6=off"),
        (r#"{"ipv4":{"address":"192.0.2.5/24"}}"#, "ipv4=192.0.2.5/24 ipv6=auto"),
        (r#"{"ipv6":{"address":"2001:db8::5/64","gateway":"fe80::1"}}"#, "ipv4=dhcp ipv6=2001:db8::5/64,fe80::1"),
    ] {
        assert_eq!(network(json).as_deref(), Ok(want), "{json}");
    }
}

#[test]
fn each_mistake_has_its_sentence() {
    for (json, want) in [
        (r#"{"interface":"a/b"}"#, "network.interface is \"a/b\": must be the name of an interface"),
        (r#"{"interface":""}"#, "network.interface is \"\": must be the name of an interface"),
        (r#"{"vlan":0}"#, "network.vlan is 0: must be from 1 to 4094"),
        (r#"{"vlan":70000}"#, "network.vlan is 70000: must be from 1 to 4094"),
        (r#"{"mtu":100}"#, "network.mtu is 100: must be from 576 to 65535"),
        (r#"{"dns":["x"]}"#, "network.dns is \"x\": must be the address of a name server"),
        (r#"{"ipv4":{"method":"auto"}}"#, "network.ipv4.method is \"auto\": must be dhcp, static or off"),
        (r#"{"ipv6":{"method":"dhcp"}}"#, "network.ipv6.method is \"dhcp\": must be auto, static or off"),
        (r#"{"ipv4":{"method":"static"}}"#, "network.ipv4 is static, so network.ipv4.address must say which"),
        (r#"{"ipv4":{"gateway":"192.0.2.1"}}"#, "network.ipv4 is static, so network.ipv4.address must say which"),
        (
            r#"{"ipv4":{"method":"dhcp","address":"192.0.2.5/24"}}"#,
            "network.ipv4.method is dhcp, so network.ipv4 has neither address nor gateway",
        ),
        (
            r#"{"ipv6":{"method":"off","gateway":"fe80::1"}}"#,
            "network.ipv6.method is off, so network.ipv6 has neither address nor gateway",
        ),
        (
            r#"{"ipv4":{"address":"192.0.2.5"}}"#,
            "network.ipv4.address is \"192.0.2.5\": must be an IPv4 address with its prefix, as 192.0.2.5/24",
        ),
        (
            r#"{"ipv6":{"address":"192.0.2.5/24"}}"#,
            "network.ipv6.address is \"192.0.2.5/24\": must be an IPv6 address with its prefix, as 2001:db8::5/64",
        ),
        (
            r#"{"ipv4":{"address":"192.0.2.5/24","gateway":"fe80::1"}}"#,
            "network.ipv4.gateway is \"fe80::1\": must be an IPv4 address",
        ),
        (r#"{"vlna":5}"#, "network.vlna is unknown (docs/network.md has all that can be set)"),
        (
            r#"{"ipv4":{"adress":"192.0.2.5/24"}}"#,
            "network.ipv4.adress is unknown (docs/network.md has all that can be set)",
        ),
        (r#"{"vlan":5,"vlan":6}"#, "network.vlan is there twice (docs/network.md has all that can be set)"),
    ] {
        assert_eq!(network(json), Err(std::format!("dock0/settings.json: {want}")), "{json}");
    }
    let long = std::format!("{{\"manifest\":{{\"url\":\"https://{}\"}}}}", "x".repeat(600));
    for (json, want) in [
        (r#"{"networks":{}}"#, "networks is unknown"),
        (r#"{"manifest":{"uri":"x"}}"#, "manifest.uri is unknown"),
        (r#"{"manifest":{"url":"ftp://x/"}}"#, "manifest.url is \"ftp://x/\": must be https://HOST/… or http://HOST/…"),
        (r#"{"manifest":{"url":"https:///x"}}"#, "manifest.url is \"https:///x\": must be"),
        (r#"{"manifest":{"url":"https://x/ y"}}"#, "manifest.url is \"https://x/ y\": must be"),
        (r#"{"manifest":{"product":"a b"}}"#, "manifest.product is \"a b\": must be a word"),
        (r#"{"manifest":{"channel":""}}"#, "manifest.channel is \"\": must be a word"),
        (r#"{"config":{"port":0}}"#, "config.port is 0: must be from 1 to 65535"),
        (r#"{"check_seconds":0}"#, "check_seconds is 0: must be from 1 to 3600"),
        (r#"{"check_seconds":3601}"#, "check_seconds is 3601: must be from 1 to 3600"),
        (r#"{"watchdog":2047}"#, "watchdog is 2047: must be from 0 to 2046"),
        (r#"{"tries":10}"#, "tries is 10: must be from 0 to 9"),
        (r#"{"config":{"port":65536}}"#, "config.port is 65536: must be from 1 to 65535"),
        (r#"{"config":{"store":"tape"}}"#, "config.store is \"tape\": must be disk or memory"),
        (r#"{"check":"always"}"#, "check is \"always\": must be never or boot"),
        (r#"{"network":{"vlan":"5"}}"#, "network.vlan is not a number of digits alone"),
        (r#"{"network":{"vlan":-5}}"#, "network.vlan is not a number of digits alone"),
        (
            r#"{"network":{"dns":["1.1.1.1","1.1.1.1","1.1.1.1","1.1.1.1"]}}"#,
            "a text or a number is too long, or there are more than 3 dns",
        ),
        (r#"{"check":"boot"} x"#, "it is not JSON from byte 17 on"),
        (r#"{"check":"boot""#, "it is not JSON from byte 15 on"),
        ("", "it is not JSON from byte 0 on"),
        (&long, "a text or a number is too long"),
        (&" ".repeat(LONGEST + 1), "it is longer than 16384 bytes"),
    ] {
        let said = parse(json.as_bytes()).unwrap_err().to_string();
        let said = said.strip_prefix("dock0/settings.json: ").unwrap();
        assert!(said.starts_with(want), "{json}: {said}");
    }
}

#[test]
fn no_bytes_panic_it() {
    let json = br#"{"manifest":{"url":"https://x/"},"network":{"vlan":5,"ipv4":{"method":"off"},"dns":["::1"]}}"#;
    for at in 0..json.len() {
        drop(parse(&json[..at]));
        for byte in [0, b'"', b'\\', b'{', b'}', b'[', b'9', b'-', 0x80, 0xff] {
            let mut changed = *json;
            changed[at] = byte;
            drop(parse(&changed));
        }
    }
}
