//! What Linode has to sell: regions, sizes of machines, and what boots them. Two or three of each, with the real names.

use serde_json::{Value, json};

/// What lists of it may be filtered by.
pub const TYPES_FILTERABLE: &[&str] = &["class", "disk", "gpus", "label", "memory", "network_out", "transfer", "vcpus"];
/// The same for kernels.
pub const KERNELS_FILTERABLE: &[&str] = &["architecture", "deprecated", "kvm", "label", "pvops", "version"];
/// The same for regions.
pub const REGIONS_FILTERABLE: &[&str] = &["country", "site_type"];

/// The name, country and label of each region, and whether it has the metadata service.
const REGIONS: [(&str, &str, &str, bool); 2] =
    [("us-ord", "us", "Chicago, IL", true), ("ap-west", "in", "Mumbai, IN", false)];
/// What boots a Linode here.
pub const KERNELS: [(&str, &str); 3] =
    [("linode/grub2", "GRUB 2"), ("linode/grub-legacy", "GRUB (Legacy)"), ("linode/direct-disk", "Direct Disk")];
/// The sizes.
const TYPES: [Type; 3] = [
    Type { id: "g6-nanode-1", label: "Nanode 1GB", class: "nanode", memory: 1024, disk: 25600, vcpus: 1, price: 5 },
    Type {
        id: "g6-standard-1",
        label: "Linode 2GB",
        class: "standard",
        memory: 2048,
        disk: 51200,
        vcpus: 1,
        price: 12,
    },
    Type {
        id: "g6-standard-2",
        label: "Linode 4GB",
        class: "standard",
        memory: 4096,
        disk: 81920,
        vcpus: 2,
        price: 24,
    },
];

/// A size of machines.
#[derive(Clone, Copy, Debug)]
pub struct Type {
    /// Its name in requests.
    pub id: &'static str,
    label: &'static str,
    class: &'static str,
    /// RAM in MB.
    pub memory: u32,
    /// Storage in MB.
    pub disk: u64,
    /// Processors.
    pub vcpus: u32,
    /// Dollars a month.
    price: u32,
}

impl Type {
    /// The smallest.
    pub fn smallest() -> Type {
        let [smallest, ..] = TYPES;
        smallest
    }

    /// The one of this name.
    pub fn find(id: &str) -> Option<Type> {
        TYPES.into_iter().find(|one| one.id == id)
    }

    /// What a Linode of this size says of it.
    pub fn specs(&self) -> Value {
        json!({"disk": self.disk, "memory": self.memory, "vcpus": self.vcpus, "gpus": 0, "accelerated_devices": 0,
            "transfer": self.price * 200})
    }

    fn document(&self) -> Value {
        json!({"id": self.id, "label": self.label, "class": self.class, "memory": self.memory, "disk": self.disk,
            "vcpus": self.vcpus, "gpus": 0, "accelerated_devices": 0, "transfer": self.price * 200, "network_out": 1000,
            "price": {"hourly": 0.0075, "monthly": self.price}, "region_prices": [], "successor": null,
            "addons": {"backups": {"price": {"hourly": 0.003, "monthly": 2}, "region_prices": []}}})
    }
}

/// All sizes.
pub fn types() -> Vec<Value> {
    TYPES.iter().map(Type::document).collect()
}

/// All regions.
pub fn regions() -> Vec<Value> {
    let document = |(id, country, label, has_metadata): (&str, &str, &str, bool)| {
        let mut capabilities = vec!["Linodes", "Cloud Firewall", "Block Storage"];
        capabilities.extend(has_metadata.then_some("Metadata"));
        json!({"id": id, "country": country, "label": label, "status": "ok", "site_type": "core",
            "capabilities": capabilities, "resolvers": {"ipv4": "192.0.2.53", "ipv6": "2001:db8::53"}})
    };
    REGIONS.into_iter().map(document).collect()
}

/// Whether a region has the metadata service; None if there is no such region.
pub fn has_metadata(region: &str) -> Option<bool> {
    REGIONS.iter().find(|(id, ..)| *id == region).map(|(.., has_metadata)| *has_metadata)
}

/// All that boots.
pub fn kernels() -> Vec<Value> {
    let document = |(id, label): (&str, &str)| {
        json!({"id": id, "label": label, "architecture": "x86_64", "kvm": true, "pvops": false, "deprecated": false,
            "version": "", "built": null})
    };
    KERNELS.into_iter().map(document).collect()
}
