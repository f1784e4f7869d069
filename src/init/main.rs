//! PID 1: the boot of a VM, from the kernel's first program to the VM's own init, top to bottom, a step a line.
//!
//! Whatever goes wrong comes out in one place: [`rescue::rescue`].

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::exit)]

use init::boot_partition::BootPartition;
use init::boots::{self, Outcome};
use init::debt::Debt;
use init::failure::Failure;
use init::image::Image;
use init::places::Places;
use init::role::Role;
use init::store::survey;
use init::trial::{self, Taken};
use init::{
    again, command, config, device, enrol, fetch, handover, install, kernel_fs, net, orders, overlay, places, receive,
    rescue, scratch, shell, stopwatch,
};
use menagerie::{Entry, Listing, Selection, newest_with_root};
use std::convert::Infallible;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>();
    let words = words.iter().map(String::as_str).collect::<Vec<_>>();
    match Role::of(&words, rustix::process::getpid().is_init()) {
        Role::Menagerie(words) => command::run(words),
        Role::Fetch(words) => fetch::child::run(words),
        Role::Network(words) => net::child::run(words),
        Role::Enrol(words) => enrol::child::run(words),
        Role::Unpack(words) => config::child::run(words),
        Role::Receive(words) => receive::child::run(words),
        Role::Nobody => {
            eprintln!(
                "init: this boots a virtual machine and runs only as its PID 1; nothing was done (init menagerie is for you)"
            );
            ExitCode::from(2)
        }
        Role::Boot => {
            rescue::catch_panics();
            let Err(failure) = boot();
            rescue::rescue(&failure)
        }
    }
}

fn boot() -> Result<Infallible, Failure> {
    stopwatch::start();

    handover::require_initrd()?;
    kernel_fs::mount_all()?;
    stopwatch::lap("kernel file systems");

    let orders = orders::read()?;
    let places = places::create(&orders.basepath)?;
    if orders.fancy {
        shell::open_before_the_root();
    }
    rescue::come_after(orders.deadline + 2 * orders.wait)?;
    stopwatch::lap("orders");

    let disk = device::wait_for(&orders.root, orders.wait)?;
    stopwatch::lap("disk");

    let partition = BootPartition::mount(&disk, &places)?;
    stopwatch::lap("boot partition");

    if let Some(drill) = orders.drill {
        orders::hold_drill(drill)?;
    }

    let (image, debt) = match &orders.rootfspath {
        Some(path) => (partition.image_at(path)?, Debt::NONE),
        None => image_of_release(&partition, again::entry(orders.entry()), &places)?,
    };
    stopwatch::lap("release");

    image.mount_root(&places)?;
    stopwatch::lap("root image");

    match &orders.cowspace {
        Some(device) => {
            let device = device::wait_for(device, orders.wait)?;
            scratch::on_device(&device, &disk, &places)?;
        }
        None => scratch::in_memory(&places)?,
    }
    stopwatch::lap("scratch layer");

    if partition.asks_who_may_push(orders.config)? {
        // It takes as long as a service does that nobody here knows.
        rescue::without_watch(|| partition.disk().map(|disk| enrol::from_metadata(&disk)))?;
        stopwatch::lap("operators");
    }

    let config = match partition.waits_for_config(orders.config)? {
        true => {
            debt.has_come_up(&partition.disk()?);
            partition.receive_config(orders.config, &image, &places)?
        }
        false => partition.config(orders.config, &places)?,
    };
    stopwatch::lap("configuration");

    overlay::mount(&places, config)?;
    stopwatch::lap("overlay");

    handover::check_init(&places.new_root, &orders.init)?;
    let records = partition.disk()?;
    debt.settle(&records);
    handover::switch_root(&places)?;
    stopwatch::lap("switch");

    stopwatch::report(&orders.init);
    boots::write_down_or_say(&records, Outcome::HandedOver);
    handover::exec(&orders.init)
}

/// The image of the release that is booted, which has proved itself or is on trial; and what the boot owes for that.
fn image_of_release(partition: &BootPartition, entry: Entry, places: &Places) -> Result<(Image, Debt), Failure> {
    let releases = partition.list()?;
    let running = again::running(|| trial::started(&releases, entry));
    let (releases, entry) = install_or_look(partition, releases, entry)?;
    let Taken { listing, release, debt } = trial::choose(&partition.disk()?, releases, entry, running)?;
    Ok((partition.image_of(&listing, release, places)?, debt))
}

/// What can be booted, and which of it shall be. Where the newest release has nothing to boot, and the settings say where to
/// get it, it is installed first; where that fails, the newest that can be booted is. A newer one is looked for if the settings want it.
fn install_or_look(
    partition: &BootPartition,
    releases: Box<Listing>,
    entry: Entry,
) -> Result<(Box<Listing>, Entry), Failure> {
    let installed = match partition.wants_install(&releases, entry) {
        Ok(false) => return Ok((partition.look_for_newer(releases, entry)?, entry)),
        Ok(true) => partition.disk().and_then(|disk| install::boot::over_the_network(&disk)),
        Err(failure) => Err(failure),
    };
    let Err(failure) = installed else { return Ok((partition.list()?, entry)) };
    match newest_with_root(&releases, &survey::marks(&partition.disk()?).0) {
        None => Err(failure),
        Some(older) => {
            rescue::go_on(&failure, &format!("booting release {} instead", older.number));
            let older = Entry::Asked(Selection::Number(older.number));
            Ok((releases, older))
        }
    }
}
