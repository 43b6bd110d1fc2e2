//! What starts by itself: cron, systemd, session and boot scripts.

pub(super) mod crontab;
pub(super) mod startup_items;
pub(super) mod systemd;

#[cfg(any(test, fuzzing))]
pub(super) use systemd::{bus_answer, unit_settings};
