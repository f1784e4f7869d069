//! The addresses of a machine that runs, whoever has brought its network up.

use super::link::candidates;
use super::rtnl::Rtnl;
use super::view::View;
use crate::failure::Failure;
use std::net::IpAddr;
use std::time::Instant;
use wire::network::Network;

/// Those of its Ethernets that reach the world.
pub fn addresses() -> Result<Vec<IpAddr>, Failure> {
    let (mut kernel, mut view) = (Rtnl::open()?, View::default());
    view.refresh(&mut kernel, Instant::now())?;
    let any = Network::default();
    Ok(candidates(&any, &view).flat_map(|link| view.addresses(link.index)).map(|own| own.address).collect())
}
