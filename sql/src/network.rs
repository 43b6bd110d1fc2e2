//! Addresses.

use std::net::{IpAddr, Ipv4Addr};

use rusqlite::types::Value;
use rusqlite::{Connection, Result};

use super::{pure, string};

pub(super) fn register(connection: &Connection) -> Result<()> {
    pure(connection, "inet_aton", 1, |c| {
        let address = string(c, 0).and_then(|text| text.parse::<Ipv4Addr>().ok());
        Ok(address.map(|address| Value::Integer(i64::from(u32::from(address)))))
    })?;
    pure(connection, "in_cidr_block", 2, |c| {
        let inside = string(c, 0).zip(string(c, 1)).and_then(|(block, address)| in_block(&block, &address));
        Ok(inside.map(|inside| Value::Integer(i64::from(inside))))
    })
}

/// `None` when one of them is no address.
fn in_block(block: &str, address: &str) -> Option<bool> {
    let (network, prefix) = block.split_once('/')?;
    let prefix: u32 = prefix.parse().ok()?;
    let same = match (network.parse().ok()?, address.parse().ok()?) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(32_u32.checked_sub(prefix)?).unwrap_or(0);
            u32::from(network) & mask == u32::from(address) & mask
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128_u32.checked_sub(prefix)?).unwrap_or(0);
            u128::from(network) & mask == u128::from(address) & mask
        }
        _ => false,
    };
    Some(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_hold_their_addresses() {
        for (block, address, inside) in [
            ("192.0.2.0/24", "192.0.2.77", Some(true)),
            ("192.0.2.0/24", "198.51.100.1", Some(false)),
            ("0.0.0.0/0", "198.51.100.1", Some(true)),
            ("2001:db8::/32", "2001:db8::1", Some(true)),
            ("2001:db8::/32", "192.0.2.1", Some(false)),
            ("192.0.2.0/33", "192.0.2.1", None),
            ("192.0.2.0", "192.0.2.1", None),
            ("192.0.2.0/24", "nope", None),
        ] {
            assert_eq!(in_block(block, address), inside, "{block} {address}");
        }
    }
}
