//! The network of an address, for the limit on new posts.

use siphasher::sip::SipHasher13;
use std::hash::Hasher;
use std::net::Ipv6Addr;

/// A hash of the /24 network of an IPv4 address, or of the /48 network of an IPv6 address, which is what one
/// site is given. It is kept in memory for an hour and never stored.
pub fn hash(address: &str) -> u32 {
    let mut hasher = SipHasher13::new();
    let ipv6 = address.parse::<Ipv6Addr>().ok();
    match ipv6.filter(|address| address.to_ipv4_mapped().is_none()) {
        Some(address) => hasher.write(&address.octets()[..6]),
        None => {
            let network = address.rsplit_once('.');
            hasher.write(network.map_or(address, |(network, _)| network).as_bytes());
        }
    }
    hasher.finish() as u32
}
