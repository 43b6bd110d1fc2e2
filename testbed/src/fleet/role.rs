//! What hosts are for. The hosts of a role are a herd.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// What a host is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// nginx before a Python application.
    Web,
    /// PostgreSQL.
    Database,
    /// HAProxy, with an address that moves to another one when it fails.
    Balancer,
}

/// The service that others talk to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Front {
    /// The name of its processes.
    pub process: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// The user and group that serve.
    pub account: (u32, u32),
    /// Where it is reached.
    pub port: u16,
    /// A directory that it may write to.
    pub place: &'static str,
    /// Where it writes down what goes wrong.
    pub log: &'static str,
}

impl Role {
    /// All roles.
    pub const ALL: &[Self] = &[Self::Web, Self::Database, Self::Balancer];

    /// The name of its herd and the first part of its hosts' names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Database => "db",
            Self::Balancer => "lb",
        }
    }

    /// The service that others talk to.
    pub fn front(self) -> Front {
        match self {
            Self::Web => Front {
                process: "nginx",
                unit: "nginx.service",
                account: (33, 33),
                port: 443,
                place: "/var/www/html/uploads",
                log: "/var/log/nginx/error.log",
            },
            Self::Database => Front {
                process: "postgres",
                unit: "postgresql@15-main.service",
                account: (104, 111),
                port: 5432,
                place: "/var/lib/postgresql/15/main",
                log: "/var/log/postgresql/postgresql-15-main.log",
            },
            Self::Balancer => Front {
                process: "haproxy",
                unit: "haproxy.service",
                account: (105, 112),
                port: 443,
                place: "/var/lib/haproxy",
                log: "/var/log/haproxy.log",
            },
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no role's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no role `{0}`; there are: web, db, lb")]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        let found = Self::ALL.iter().copied().find(|role| role.name() == name);
        found.ok_or_else(|| UnknownRole(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_roles() {
        let error = "mail".parse::<Role>().unwrap_err().to_string();
        for &role in Role::ALL {
            assert_eq!(role.name().parse(), Ok(role));
            assert!(error.contains(role.name()), "{error}");
        }
    }
}
