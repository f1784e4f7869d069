//! The kernel's device events, as its netlink socket sends them (`lib/kobject_uevent.c`): `action@devpath`, then
//! `KEY=value` fields, each ended by a zero byte.

/// Whether the event says that a block device has appeared or changed.
pub fn is_new_block_device(event: &[u8]) -> bool {
    let mut fields = event.split(|&byte| byte == 0);
    let action = fields.next().unwrap_or_default();
    let appeared = action.starts_with(b"add@") || action.starts_with(b"change@");
    appeared && fields.any(|field| field == b"SUBSYSTEM=block")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_block_devices_that_appear_count() {
        for (event, want) in [
            (&b"add@/devices/x/block/sda\0ACTION=add\0SUBSYSTEM=block\0DEVNAME=sda\0"[..], true),
            (b"change@/devices/x/block/sda\0SUBSYSTEM=block\0", true),
            (b"remove@/devices/x/block/sda\0SUBSYSTEM=block\0", false),
            (b"add@/devices/x/net/eth0\0SUBSYSTEM=net\0", false),
            (b"add@/devices/x\0SUBSYSTEM=blocks\0", false),
            (b"libudev\0\xfe\xed\xca\xfe", false),
            (b"\xff\0\0\0", false),
            (b"", false),
        ] {
            assert_eq!(is_new_block_device(event), want, "{:?}", event.escape_ascii().next());
        }
    }
}
