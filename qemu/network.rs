//! The network card of a virtual machine, and what is at the other end.

use crate::machine::Board;

/// The network card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// No card at all.
    None,
    /// A virtio card on QEMU's user-mode network (guest 10.0.2.15, host 10.0.2.2), which needs no root.
    User {
        /// TCP ports of the host that lead into the guest.
        forwards: Vec<Forward>,
    },
    /// The same without IPv4: the guest is in fec0::/64, and fec0::2 is the host's [::1].
    UserIpv6,
    /// The same with the metadata service of a cloud at 169.254.169.254:80 (guest 172.31.0.15, host 172.31.0.2).
    Metadata {
        /// TCP ports of the host that lead into the guest.
        forwards: Vec<Forward>,
        /// The port on the host's 127.0.0.1 that is the service.
        service: u16,
    },
}

/// A TCP port of the host's 127.0.0.1 that leads into the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// The port on 127.0.0.1.
    pub host: u16,
    /// The guest's port.
    pub guest: u16,
}

impl Network {
    /// QEMU's arguments for it.
    pub(crate) fn args(&self, board: Board) -> Vec<String> {
        let mut user = match self {
            Network::None => return words(["-nic", "none"]),
            Network::User { .. } => String::new(),
            Network::UserIpv6 => ",ipv4=off".to_string(),
            Network::Metadata { service, .. } => {
                // The service must lie in the guest's network, and here both do. A process for each connection: a socket of
                // QEMU's own in its place is one, opened once, for all.
                let network = ",net=160.0.0.0/4,host=172.31.0.2,dns=172.31.0.3,dhcpstart=172.31.0.15";
                format!("{network},guestfwd=tcp:169.254.169.254:80-cmd:/bin/busybox nc 127.0.0.1 {service}")
            }
        };
        if let Network::User { forwards } | Network::Metadata { forwards, .. } = self {
            for Forward { host, guest } in forwards {
                user.push_str(&format!(",hostfwd=tcp:127.0.0.1:{host}-:{guest}"));
            }
        }
        match board {
            Board::Q35 | Board::Pc => words(["-nic", &format!("user,model=virtio-net-pci{user}")]),
            // -nic makes PCI's cards only.
            Board::Microvm => {
                words(["-netdev", &format!("user,id=net0{user}"), "-device", "virtio-net-device,netdev=net0"])
            }
        }
    }
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(String::from).into()
}
