//! The same sweep where hosts are reached through AWS: Systems Manager as a transport, Auto Scaling groups and EC2 as an
//! inventory, S3 as a place for bundles.
//!
//! The few calls that are needed are signed and sent by [`client`]; where credentials come from is the SDK's own chain
//! (environment, profiles, SSO, web identity, instance roles), the one part of Herdiff's libraries that reads the
//! environment. No credential is ever sent anywhere but to AWS.

pub mod client;
pub mod error;
mod http;
mod pace;
pub mod session;
pub mod ssm;
pub mod store;
pub mod targets;
mod xml;

pub use error::AwsError;
pub use session::{Access, Place, Session};
