//! The system as a whole: its kernel, its name, its mounts, its settings.

pub(super) mod block_devices;
pub(super) mod etc_hosts;
pub(super) mod etc_services;
pub(super) mod kernel_info;
pub(super) mod kernel_modules;
pub(super) mod load;
pub(super) mod memory;
pub(super) mod mounts;
pub(super) mod os_version;
pub(super) mod settings;
pub(super) mod smbios;
pub(super) mod system_info;
pub(super) mod time;
pub(super) mod uptime;

/// The value of `NAME=value` with quotes taken off.
pub(super) fn unquoted(value: &[u8]) -> &[u8] {
    let value = value.trim_ascii();
    match value {
        [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] => inner,
        _ => value,
    }
}
