//! Sockets, addresses, routes, filters.

pub(super) mod connections;
pub(super) mod dns_resolvers;
pub(super) mod interfaces;
pub(super) mod iptables;
pub(super) mod links;
pub(super) mod listening;
pub(super) mod netlink;
pub(super) mod proc_net;
pub(super) mod routes;
pub(super) mod sockets;
