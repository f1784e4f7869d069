//! The network's child against real kernels' links and a real DHCP server and IPv6 router (dnsmasq), in network namespaces
//! of its own: needs root.

mod lab;

use lab::Lab;

const DHCP: &str = "--no-ping --dhcp-range=192.0.2.10,192.0.2.10,255.255.255.0,120";
const RA: &str = "--enable-ra --dhcp-range=2001:db8::,ra-stateless,64,120";

#[test]
fn a_lease_is_taken_used_and_given_back() {
    let lab = Lab::new("dhcp");
    let server = lab.serve(&format!("{DHCP} --dhcp-option=option:mtu,1400 --dhcp-option=option:dns-server,192.0.2.53"));
    let before = lab.state();
    let mut child = lab.child("ipv6=off");
    assert_eq!(child.up(), "up interface=eth0 mtu=1400 address=192.0.2.10/24 gateway=192.0.2.1 dns=192.0.2.53");
    assert_eq!(lab.resolv_conf().as_deref(), Some("nameserver 192.0.2.53\noptions timeout:2\n"));
    assert_eq!(
        lab.ip("route"),
        "default via 192.0.2.1 dev eth0 \n192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.10 \n"
    );
    assert!(lab.ip("link show lo").contains("LOOPBACK,UP"), "{}", lab.ip("link show lo"));
    // CAP_NET_BIND_SERVICE is bit 10, CAP_NET_ADMIN bit 12.
    for (field, want) in [
        ("CapEff", "0000000000001400"),
        ("CapPrm", "0000000000001400"),
        ("CapBnd", "0000000000001400"),
        ("CapInh", "0000000000000000"),
        ("NoNewPrivs", "1"),
        ("Groups", " "),
    ] {
        assert_eq!(child.status(field), want, "{field}");
    }
    assert_eq!(child.end(), Some(0));
    assert_eq!(lab.state(), before);
    assert_eq!(lab.resolv_conf(), None);
    server.says("DHCPRELEASE(eth0) 192.0.2.10");
}

#[test]
fn ipv6_alone_is_enough() {
    let lab = Lab::new("ra");
    let _server = lab.serve(&format!("{RA} --dhcp-option=option6:dns-server,[2001:db8::53]"));
    let before = lab.state();
    let mut child = lab.child("");
    let line = child.up();
    let gateway = lab.servers_link_local();
    assert_eq!(
        line,
        format!("up interface=eth0 mtu=1500 address=2001:db8::5054:ff:fe12:3456/64 gateway={gateway} dns=2001:db8::53")
    );
    assert_eq!(lab.resolv_conf().as_deref(), Some("nameserver 2001:db8::53\noptions timeout:2\n"));
    assert_eq!(child.end(), Some(0));
    assert_eq!(lab.state(), before);
}

#[test]
fn both_families_are_told_of_as_they_come() {
    let lab = Lab::new("both");
    let _server = lab.serve(&format!("{DHCP} {RA}"));
    let before = lab.state();
    let mut child = lab.child("dns=192.0.2.99");
    assert_eq!(child.up(), "up interface=eth0 mtu=1500 address=192.0.2.10/24 gateway=192.0.2.1 dns=192.0.2.99");
    let last = child.line_with("address=2001:db8::5054:ff:fe12:3456/64");
    assert!(last.contains("gateway=192.0.2.1 gateway=fe80::"), "{last}");
    assert!(last.ends_with(" dns=192.0.2.99"), "the settings' name server alone: {last}");
    assert_eq!(child.end(), Some(0));
    assert_eq!(lab.state(), before);
}

#[test]
fn given_addresses_need_no_server_and_gateways_may_be_beyond_the_network() {
    let lab = Lab::new("static");
    lab.cable(true);
    let before = lab.state();
    let mut child =
        lab.child("interface=eth0 ipv4=192.0.2.5/32,198.51.100.1 ipv6=2001:db8::5/64,fe80::1 mtu=1400 dns=192.0.2.53");
    let want = "address=2001:db8::5/64 gateway=198.51.100.1 gateway=fe80::1 dns=192.0.2.53";
    let line = child.line_with(want);
    assert!(line.starts_with("up interface=eth0 mtu=1400 address="), "{line}");
    assert!(lab.ip("route").starts_with("default via 198.51.100.1 dev eth0 onlink \n"), "{}", lab.ip("route"));
    assert!(lab.ip("-6 route").contains("default via fe80::1 dev eth0 "), "{}", lab.ip("-6 route"));
    assert_eq!(lab.sysctl("accept_ra"), "0");
    assert_eq!(child.end(), Some(0));
    assert_eq!(lab.state(), before);
}

#[test]
fn an_isolated_network_needs_neither_gateway_nor_names() {
    let lab = Lab::new("alone");
    lab.cable(true);
    let mut child = lab.child("ipv4=192.0.2.5/24 ipv6=off names=unneeded");
    assert_eq!(child.up(), "up interface=eth0 mtu=1500 address=192.0.2.5/24");
    assert_eq!(lab.resolv_conf(), None, "there is nothing to write");
    assert_eq!(lab.sysctl("disable_ipv6"), "1");
    assert_eq!(child.end(), Some(0));
    assert_eq!(lab.sysctl("disable_ipv6"), "0");
}

#[test]
fn classless_routes_of_a_lease_are_used() {
    let lab = Lab::new("routes");
    let _server = lab.serve(&format!("{DHCP} --dhcp-option=121,10.1.0.0/16,192.0.2.7,0.0.0.0/0,192.0.2.9"));
    let mut child = lab.child("ipv6=off");
    assert_eq!(child.up(), "up interface=eth0 mtu=1500 address=192.0.2.10/24 gateway=192.0.2.9 dns=192.0.2.1");
    assert!(lab.ip("route").contains("10.1.0.0/16 via 192.0.2.7 dev eth0"), "{}", lab.ip("route"));
    assert_eq!(child.end(), Some(0));
}

#[test]
fn what_the_kernel_refuses_of_a_lease_is_said_and_the_rest_is_used() {
    let lab = Lab::new("mistake");
    let _server = lab.serve(&format!("{DHCP} --dhcp-option=121,0.0.0.0/0,224.0.0.5,10.1.0.0/16,192.0.2.7"));
    let before = lab.state();
    let mut child = lab.child("ipv6=off");
    let line = child.line();
    assert_eq!(line, "trying adding a route to 0.0.0.0/0 through eth0: invalid argument", "a group is no gateway");
    assert!(lab.ip("route").contains("10.1.0.0/16 via 192.0.2.7 dev eth0"), "{}", lab.ip("route"));
    assert_eq!(child.end(), Some(0));
    assert_eq!(lab.state(), before);
}

#[test]
fn a_cable_that_comes_later_is_waited_for() {
    let lab = Lab::new("cable");
    let _server = lab.serve(DHCP);
    lab.cable(false);
    let before = lab.state();
    let mut child = lab.child("ipv6=off");
    assert_eq!(child.line(), "trying eth0 has no carrier");
    lab.cable(true);
    assert!(child.line_with("address=192.0.2.10/24").starts_with("up "));
    lab.cable(false);
    assert_eq!(child.line(), "down eth0 has lost its carrier");
    assert_eq!(child.end(), Some(0));
    assert_eq!(lab.state(), before);
}

#[test]
fn the_first_interface_with_a_carrier_is_taken_and_the_others_are_left_alone() {
    let lab = Lab::new("first");
    lab.ip("link add dummy-first type veth peer name dummy-peer");
    let _server = lab.serve(DHCP);
    let before = lab.state();
    let mut child = lab.child("ipv6=off");
    assert!(child.up().starts_with("up interface=eth0 "));
    let others = lab.ip("-br link show dummy-first");
    assert!(others.contains(" DOWN "), "{others}");
    assert_eq!(child.end(), Some(0));
    assert_eq!(lab.state(), before);
}

#[test]
fn an_interface_that_is_pulled_out_is_waited_for() {
    let lab = Lab::new("pulled");
    let server = lab.serve(DHCP);
    let mut child = lab.child("ipv6=off interface=eth0");
    assert!(child.up().starts_with("up interface=eth0 "));
    lab.ip("link delete eth0");
    child.line_with("there is no interface eth0");
    drop(server);
    lab.plug_in();
    let _server = lab.serve(DHCP);
    assert!(child.up().starts_with("up interface=eth0 "));
    assert_eq!(child.end(), Some(0));
}

#[test]
fn when_nobody_listens_any_more_everything_is_put_back() {
    let lab = Lab::new("parent");
    let server = lab.serve(DHCP);
    let before = lab.state();
    let mut child = lab.child("ipv6=off");
    assert!(child.up().starts_with("up "));
    assert_eq!(child.stop_listening(), Some(0));
    assert_eq!(lab.state(), before);
    server.says("DHCPRELEASE(eth0) 192.0.2.10");
}

#[test]
fn what_is_in_the_way_is_said_every_ten_seconds() {
    let lab = Lab::new("silent");
    lab.cable(true);
    let mut child = lab.child("ipv6=off");
    for _ in 0..2 {
        let line = child.line();
        assert!(line.starts_with("trying eth0 has no address: no DHCP server has answered, asked "), "{line}");
    }
    assert_eq!(child.end(), Some(0));
}

#[test]
fn a_name_server_is_missed_where_names_are_needed() {
    let lab = Lab::new("names");
    let _server = lab.serve(&format!("{DHCP} --dhcp-option=option:dns-server"));
    let mut child = lab.child("ipv6=off");
    assert_eq!(child.line(), "trying eth0 has 192.0.2.10/24, gateway 192.0.2.1, but no name server");
    assert_eq!(child.end(), Some(0));
}

#[test]
fn what_cannot_be_done_is_said_and_nothing_stays_behind() {
    let lab = Lab::new("refused");
    lab.cable(true);
    lab.ip("link add vlan5 type veth peer name peer5");
    let before = lab.state();
    for (words, want) in
        [("vlan=5", "failed making VLAN 5 on eth0: "), ("vlan=x", "failed vlan=x: must be a VLAN from 1 to 4094")]
    {
        let mut child = lab.child(words);
        let line = child.line();
        // Why depends on the kernel: the name is taken, or it knows no VLANs.
        assert!(line.starts_with(want), "{words}: {line}");
        assert_eq!(child.wait(), Some(1), "{words}");
        assert_eq!(lab.state(), before, "{words}");
    }
}

#[test]
fn a_server_that_answers_garbage_is_survived() {
    let lab = Lab::new("garbage");
    lab.cable(true);
    let noise = lab.noise();
    let mut child = lab.child("ipv6=off");
    let line = child.line();
    let want = "trying eth0 has no address: an answer of a DHCP server was not heeded: it is malformed: ";
    assert!(line.starts_with(want), "{line}");
    drop(noise);
    let _server = lab.serve(DHCP);
    assert!(child.up().starts_with("up interface=eth0 "));
    assert_eq!(child.end(), Some(0));
}

#[test]
fn it_says_what_its_words_must_be() {
    let lab = Lab::new("words");
    assert_eq!(lab.run(&[]), (Some(1), "failed dock0-net: the first word must be the root directory\n".into()));
    let (code, said) = lab.run(&["/", "ipv4=auto"]);
    assert_eq!(code, Some(1));
    assert!(said.starts_with("failed ipv4=auto: must be dhcp, off, or an IPv4 address"), "{said}");
}
