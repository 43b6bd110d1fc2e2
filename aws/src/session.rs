//! Who calls, and where: the SDK's chain of credentials, roles in other accounts, regions. One client for each place.

use crate::client::Client;
use crate::error::AwsError;
use crate::http::Http;
use crate::pace::Pace;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Mutex;

/// Credentials that end sooner are asked for again.
const MARGIN: Duration = Duration::from_secs(5 * 60);

/// What an operator says about access. Where something is empty the SDK's chain decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The profile in `~/.aws/config`.
    pub profile: Option<String>,
    /// The regions; each account is looked at in all of them.
    pub regions: Vec<String>,
    /// The accounts whose role is assumed, by their numbers; none is the account of the credentials.
    pub accounts: Vec<String>,
    /// The name of the role in those accounts, or one role's whole ARN.
    pub role: Option<String>,
    /// What the role's trust policy may ask for.
    pub external_id: Option<String>,
    /// Why all this is done: names the role's session, and is the comment of commands.
    pub incident: String,
    /// Calls a second to each account and region, retries included.
    pub calls_a_second: u32,
}

/// So many calls a second, where nothing else is said.
pub const CALLS_A_SECOND: u32 = 20;

impl Default for Access {
    fn default() -> Self {
        Self {
            profile: None,
            regions: Vec::new(),
            accounts: Vec::new(),
            role: None,
            external_id: None,
            incident: String::new(),
            calls_a_second: CALLS_A_SECOND,
        }
    }
}

impl Access {
    /// The name of a role's session: what AWS allows in it, so that CloudTrail shows the incident.
    fn session_name(&self) -> String {
        let fits = |c: char| if c.is_ascii_alphanumeric() || "+=,.@-".contains(c) { c } else { '-' };
        let incident = self.incident.chars().map(fits).take(55);
        let name = format!("herdiff-{}", incident.collect::<String>());
        name.trim_end_matches('-').to_owned()
    }

    fn check(&self) -> Result<(), AwsError> {
        let unusable = |why: String| Err(AwsError::Unusable(why));
        let number = |account: &&String| account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        if let Some(odd) = self.accounts.iter().find(|account| !number(account)) {
            return unusable(format!("{odd:?} is no account: a number of 12 digits"));
        }
        let plain =
            |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if let Some(odd) = self.regions.iter().find(|region| region.is_empty() || !plain(region)) {
            return unusable(format!("{odd:?} is no region, as eu-west-1 is one"));
        }
        match (&self.role, self.accounts.is_empty()) {
            (None, false) => unusable("accounts need the name of a role in them: --aws-role NAME".to_owned()),
            (Some(role), true) if !role.starts_with("arn:") => unusable(format!(
                "the role {role:?} needs accounts (--aws-account), or has to be a whole ARN"
            )),
            (Some(role), false) if role.starts_with("arn:") => unusable(format!(
                "the role {role:?} is of one account already: give its name only, or leave out --aws-account"
            )),
            _ => Ok(()),
        }
    }
}

/// An account in a region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The account's number; `None` is that of the credentials.
    pub account: Option<String>,
    /// The region.
    pub region: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.account {
            Some(account) => write!(f, "{account}/{}", self.region),
            None => f.write_str(&self.region),
        }
    }
}

/// The partition that a region belongs to, and the domain of its services.
pub(crate) fn partition(region: &str) -> (&'static str, &'static str) {
    match region {
        _ if region.starts_with("cn-") => ("aws-cn", "amazonaws.com.cn"),
        _ if region.starts_with("us-gov-") => ("aws-us-gov", "amazonaws.com"),
        _ if region.starts_with("us-iso-") => ("aws-iso", "c2s.ic.gov"),
        _ if region.starts_with("us-isob-") => ("aws-iso-b", "sc2s.sgov.gov"),
        _ => ("aws", "amazonaws.com"),
    }
}

/// All places that a sweep may touch.
#[derive(Clone, Debug)]
pub struct Session {
    /// One for each account and region.
    pub clients: Vec<Arc<Client>>,
    /// As the operator, in the first region: for what is not in a place, such as a bucket.
    pub home: Arc<Client>,
    /// Why all this is done.
    pub incident: String,
}

impl Session {
    /// Asks the SDK's chain for a region and for credentials. Calls nothing but, perhaps, where the chain leads.
    pub async fn open(access: &Access) -> Result<Self, AwsError> {
        access.check()?;
        let http = Http::new();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http.for_sdk());
        if let Some(profile) = &access.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = access.regions.first() {
            loader = loader.region(Region::new(region.clone()));
        }
        let config = loader.load().await;
        let regions = match (&access.regions, config.region()) {
            (named, _) if !named.is_empty() => named.clone(),
            (_, Some(region)) => vec![region.to_string()],
            _ => return Err(AwsError::NoRegion),
        };
        let own = config.credentials_provider().ok_or_else(|| AwsError::Credentials {
            place: "this account".to_owned(),
            why: "the SDK's chain has none".to_owned(),
        })?;
        let client = |place: Place, provider: SharedCredentialsProvider| {
            Arc::new(Client::new(
                place,
                http.clone(),
                Keys::new(provider),
                config.endpoint_url().map(str::to_owned),
                Pace::new(access.calls_a_second),
            ))
        };
        let region = regions.first().cloned().unwrap_or_default();
        let home = client(Place { account: None, region }, own.clone());
        let mut clients = Vec::new();
        for role in roles(access, &regions) {
            let provider = match &role {
                None => own.clone(),
                Some(role) => assume(access, role, &config).await,
            };
            let account = role.and_then(|role| role.account);
            // The same keys serve all regions of an account.
            for region in &regions {
                let place = Place { account: account.clone(), region: region.clone() };
                clients.push(client(place, provider.clone()));
            }
        }
        Ok(Self { clients, home, incident: access.incident.clone() })
    }

    /// The client of a place.
    pub fn client(&self, place: &Place) -> Option<&Arc<Client>> {
        self.clients.iter().find(|client| client.place() == place)
    }
}

struct Role {
    account: Option<String>,
    arn: String,
}

/// The roles to assume; `None` is to stay who one is.
fn roles(access: &Access, regions: &[String]) -> Vec<Option<Role>> {
    let (partition, _) = partition(regions.first().map_or("", String::as_str));
    match &access.role {
        None => vec![None],
        Some(arn) if arn.starts_with("arn:") => {
            vec![Some(Role { account: arn.split(':').nth(4).map(str::to_owned), arn: arn.clone() })]
        }
        Some(name) => {
            let arn = |account: &String| format!("arn:{partition}:iam::{account}:role/{name}");
            let role = |account: &String| Some(Role { account: Some(account.clone()), arn: arn(account) });
            access.accounts.iter().map(role).collect()
        }
    }
}

async fn assume(access: &Access, role: &Role, config: &SdkConfig) -> SharedCredentialsProvider {
    let mut builder =
        AssumeRoleProvider::builder(role.arn.clone()).session_name(access.session_name()).configure(config);
    if let Some(id) = &access.external_id {
        builder = builder.external_id(id);
    }
    SharedCredentialsProvider::new(builder.build().await)
}

/// Credentials, kept until shortly before they end.
#[derive(Debug)]
pub(crate) struct Keys {
    provider: SharedCredentialsProvider,
    kept: Mutex<Option<Credentials>>,
}

impl Keys {
    fn new(provider: SharedCredentialsProvider) -> Self {
        Self { provider, kept: Mutex::new(None) }
    }

    /// Credentials that are good for a while. One caller asks the provider, the others wait for it.
    pub(crate) async fn get(&self) -> Result<Credentials, String> {
        let mut kept = self.kept.lock().await;
        let lasts = |keys: &Credentials| keys.expiry().is_none_or(|end| end > SystemTime::now() + MARGIN);
        if let Some(keys) = kept.as_ref().filter(|keys| lasts(keys)) {
            return Ok(keys.clone());
        }
        let keys = self.provider.provide_credentials().await.map_err(|error| crate::http::causes(&error))?;
        *kept = Some(keys.clone());
        Ok(keys)
    }

    /// AWS said that these are over.
    pub(crate) async fn forget(&self) {
        *self.kept.lock().await = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(accounts: &[&str], role: Option<&str>) -> Access {
        Access {
            accounts: accounts.iter().map(|account| (*account).to_owned()).collect(),
            role: role.map(str::to_owned),
            ..Access::default()
        }
    }

    #[test]
    fn the_session_is_named_by_the_incident() {
        let named =
            |incident: &str| Access { incident: incident.to_owned(), ..Access::default() }.session_name();
        assert_eq!(named("IR-2026/17 web"), "herdiff-IR-2026-17-web");
        assert_eq!(named(""), "herdiff");
        assert!(named(&"x".repeat(200)).len() <= 64);
    }

    #[test]
    fn roles_and_accounts_belong_together() {
        assert!(access(&[], None).check().is_ok());
        assert!(access(&["123456789012"], Some("audit")).check().is_ok());
        assert!(access(&[], Some("arn:aws:iam::123456789012:role/audit")).check().is_ok());
        for (accounts, role) in [
            (&["123456789012"][..], None),
            (&["12345"], Some("audit")),
            (&[], Some("audit")),
            (&["123456789012"], Some("arn:aws:iam::123456789012:role/audit")),
        ] {
            assert!(access(accounts, role).check().is_err(), "{accounts:?} {role:?}");
        }
        let region = Access { regions: vec!["eu-west-1@evil.example/".to_owned()], ..Access::default() };
        assert!(region.check().is_err(), "a region becomes part of a host name");
        let china = roles(&access(&["123456789012"], Some("audit")), &["cn-north-1".to_owned()]);
        assert_eq!(china[0].as_ref().unwrap().arn, "arn:aws-cn:iam::123456789012:role/audit");
    }
}
