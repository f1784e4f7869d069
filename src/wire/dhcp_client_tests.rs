//! The DHCP client under virtual time: what it sends and when, whatever servers do.

extern crate std;
use super::*;
use crate::dhcp::tests::{MAC_A, answer};
use std::vec;
use std::vec::Vec;

const OFFER: u8 = 2;
const ACK: u8 = 5;
const NAK: u8 = 6;
const SERVER: [u8; 4] = [192, 0, 2, 1];
const OTHER_SERVER: [u8; 4] = [192, 0, 2, 2];
const MINE: [u8; 4] = [192, 0, 2, 5];

/// A client, a clock, and what has been seen of them.
struct World {
    client: Client,
    now: Millis,
    random: u32,
    last: Step,
}

impl World {
    fn new() -> World {
        let client = Client::new(MAC_A, 0, 77);
        let last = Step { send: None, change: None, wake: 0, ignored: None };
        World { client, now: 0, random: 0, last }
    }

    /// Sleeps until it wants to be woken: what it sends then.
    fn wake(&mut self) -> Sent {
        self.now = self.now.max(self.last.wake);
        self.last = self.client.step(self.now, None, self.random);
        sent(&self.last)
    }

    /// Sleeps to this second, or until woken before.
    fn hear_at(&mut self, now: Millis, message: &[u8]) -> Sent {
        self.now = now;
        self.last = self.client.step(now, Some(message), self.random);
        sent(&self.last)
    }

    fn hear(&mut self, kind: u8, server: [u8; 4]) -> Sent {
        let message = self.from(kind, server, MINE, 3600);
        self.hear_at(self.now, &message)
    }

    /// What this server says in the transaction that is under way.
    fn from(&self, kind: u8, server: [u8; 4], yours: [u8; 4], seconds: u32) -> Vec<u8> {
        let from = [&[54, 4][..], &server].concat();
        let lease = [&[51, 4][..], &seconds.to_be_bytes()].concat();
        answer(self.client.transaction, yours, &[&[53, 1, kind], &from, &lease])
    }

    /// Goes on to a lease of this length.
    fn bound(seconds: u32) -> World {
        let mut world = World::new();
        assert_eq!(world.wake(), DISCOVER);
        let offer = world.from(OFFER, SERVER, MINE, seconds);
        assert_eq!(world.hear_at(0, &offer), SELECT);
        let ack = world.from(ACK, SERVER, MINE, seconds);
        assert_eq!(world.hear_at(0, &ack), None);
        assert_eq!(world.last.change, Some(Change::Configure));
        world
    }
}

/// Kind of message, where to, and the address that the client says it has.
type Sent = Option<(u8, [u8; 4], [u8; 4])>;

const BROADCAST: [u8; 4] = [255; 4];
const DISCOVER: Sent = Some((1, BROADCAST, [0; 4]));
const SELECT: Sent = Some((3, BROADCAST, [0; 4]));
const RENEW: Sent = Some((3, SERVER, MINE));
const REBIND: Sent = Some((3, BROADCAST, MINE));

fn sent(step: &Step) -> Sent {
    let Datagram { to, message } = step.send.as_ref()?;
    Some((message[242], to.octets(), message[12..16].try_into().unwrap()))
}

#[test]
fn nobody_answers_and_it_never_gives_up() {
    for (random, want) in [
        (0, [0, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]),
        // The least: a quarter less each time; the quarter is what is left of dividing by it and one.
        (
            7500,
            [
                0,
                1000 - 7500 % 251,
                2000 - 7500 % 501,
                4000 - 7500 % 1001,
                8000 - 7500 % 2001,
                16_000 - 7500 % 4001,
                22_500,
                22_500,
                22_500,
            ],
        ),
    ] {
        let mut world = World { random, ..World::new() };
        let (mut before, mut waits) = (0, vec![]);
        for _ in 0..want.len() {
            assert_eq!(world.wake(), DISCOVER);
            waits.push(world.now - before);
            before = world.now;
        }
        assert_eq!(waits, want, "{random}");
        assert_eq!(world.client.asked(), 9);
    }
    let mut world = World::new();
    for _ in 0..10_000 {
        assert_eq!(world.wake(), DISCOVER);
        assert!(world.last.wake - world.now <= LONGEST_WAIT);
    }
    let message = &world.last.send.as_ref().unwrap().message;
    assert_eq!(message[8..10], [0xff, 0xff], "the seconds stop at the most that fits");
}

#[test]
fn no_wait_is_longer_than_the_longest() {
    for asked in [0, 1, 5, 6, 31, 32, 64, u32::MAX] {
        for random in [0, 1, 12_345, u32::MAX] {
            let wait = back_off(asked, random);
            assert!((FIRST_WAIT * 3 / 4..=LONGEST_WAIT).contains(&wait), "{asked} {random}: {wait}");
        }
    }
}

#[test]
fn a_late_offer_is_taken() {
    let mut world = World::new();
    for _ in 0..4 {
        world.wake();
    }
    let offer = world.from(OFFER, SERVER, MINE, 3600);
    assert_eq!(world.hear_at(world.now + 7_900, &offer), SELECT);
    assert_eq!(world.hear(ACK, SERVER), None);
    assert_eq!(world.client.lease().map(Lease::own), Some(Ipv4Addr::from(MINE)));
}

#[test]
fn a_lost_acknowledgement_is_asked_for_again_and_then_from_the_start() {
    let mut world = World::new();
    world.wake();
    assert_eq!(world.hear(OFFER, SERVER), SELECT);
    let transaction = world.client.transaction;
    for at in [1000, 3000, 7000] {
        assert_eq!(world.wake(), SELECT);
        assert_eq!((world.now, world.client.transaction), (at, transaction));
    }
    world.random = 99;
    assert_eq!(world.wake(), DISCOVER);
    assert_eq!((world.now, world.client.transaction), (15_000, 99), "another transaction");
    world.hear(OFFER, SERVER);
    world.hear(ACK, SERVER);
    assert!(world.client.lease().is_some());
}

#[test]
fn the_first_offer_that_is_usable_is_taken() {
    let mut world = World::new();
    world.wake();
    let nobody = world.from(OFFER, OTHER_SERVER, [0; 4], 3600);
    assert_eq!(world.hear_at(5, &nobody), None);
    assert_eq!(world.last.ignored, Some(Ignored::Unusable("the address is nobody's")));
    assert_eq!(world.hear_at(6, &world.from(OFFER, SERVER, MINE, 3600)), SELECT);
    assert_eq!(world.hear_at(7, &world.from(OFFER, OTHER_SERVER, [192, 0, 2, 9], 3600)), None);
    assert_eq!(world.hear_at(8, &world.from(ACK, OTHER_SERVER, [192, 0, 2, 9], 3600)), None);
    assert!(world.client.lease().is_none(), "another server's grant is not ours");
    world.hear(ACK, SERVER);
    assert_eq!(world.client.lease().map(|lease| lease.server.octets()), Some(SERVER));
}

#[test]
fn garbage_and_strangers_change_nothing() {
    let mut world = World::new();
    world.wake();
    let right = world.from(OFFER, SERVER, MINE, 3600);
    let changed = |at: usize| {
        let mut message = right.clone();
        message[at] ^= 1;
        message
    };
    let before = std::format!("{:?}", world.client);
    for (case, message, ignored) in [
        ("nothing", vec![], Some(Ignored::Malformed("it is too short"))),
        ("noise", vec![0xa5; 900], None),
        ("another transaction", changed(4), None),
        ("another client", changed(28), None),
        ("another magic", changed(237), Some(Ignored::Malformed("its magic number is another"))),
        ("granted before asked", world.from(ACK, SERVER, MINE, 3600), None),
        ("refused before asked", world.from(NAK, SERVER, MINE, 3600), None),
    ] {
        assert_eq!(world.hear_at(1, &message), None, "{case}");
        assert_eq!(world.last, Step { send: None, change: None, wake: 1000, ignored }, "{case}");
        assert_eq!(std::format!("{:?}", world.client), before, "{case}");
    }
    assert_eq!(world.hear_at(2, &right), SELECT);
}

#[test]
fn an_offer_before_the_first_question_is_nobodys() {
    let mut world = World::new();
    world.client.wake = 10;
    let early = world.from(OFFER, SERVER, MINE, 3600);
    assert_eq!(world.hear_at(0, &early), None);
    assert!(matches!(world.client.state, State::Selecting { asked: 0 }));
}

#[test]
fn refused_after_an_offer_it_starts_over_after_a_pause() {
    let mut world = World::new();
    world.wake();
    world.hear(OFFER, SERVER);
    assert_eq!(world.hear(NAK, OTHER_SERVER), None);
    assert!(matches!(world.client.state, State::Requesting { .. }), "another server's refusal is not ours");
    assert_eq!(world.hear(NAK, SERVER), None);
    assert_eq!((&world.last.change, world.last.wake), (&None, FIRST_WAIT));
    assert_eq!(world.wake(), DISCOVER);
    assert_eq!(world.now, FIRST_WAIT);
}

#[test]
fn renews_in_time() {
    let mut world = World::bound(3600);
    for round in 1..=3 {
        world.random = round;
        assert_eq!(world.wake(), RENEW);
        assert_eq!((world.now, world.client.transaction), (1_800_000 * u64::from(round), round));
        assert_eq!(world.hear(ACK, SERVER), None);
        assert_eq!(world.last.change, Some(Change::Configure));
    }
}

#[test]
fn rebinds_with_anybody_when_its_server_is_gone() {
    let mut world = World::bound(3600);
    // Half of what is left until rebinding at 3150 s, but never more often than once a minute.
    for at in [1800, 2475, 2812] {
        assert_eq!((world.wake(), world.now / 1000), (RENEW, at));
    }
    for at in [2981, 3065, 3125] {
        assert_eq!((world.wake(), world.now / 1000), (RENEW, at));
    }
    assert_eq!((world.wake(), world.now / 1000), (REBIND, 3150));
    assert_eq!(world.hear(ACK, OTHER_SERVER), None);
    assert_eq!(world.client.lease().map(|lease| lease.server.octets()), Some(OTHER_SERVER));
    assert_eq!(world.last.wake, 3_150_000 + 1_800_000);
}

#[test]
fn an_expired_lease_is_taken_down_and_asked_for_anew() {
    let mut world = World::bound(3600);
    let mut seen = vec![];
    while world.last.change != Some(Change::Deconfigure) {
        seen.push(world.wake());
    }
    assert_eq!(world.now, 3_600_000);
    assert_eq!(seen.last(), Some(&DISCOVER), "in the same moment");
    assert!(seen[..seen.len() - 1].iter().all(|sent| *sent == RENEW || *sent == REBIND), "{seen:?}");
    assert!(seen.contains(&REBIND));
    assert_eq!(world.client.lease(), None);
    world.hear(OFFER, SERVER);
    world.hear(ACK, SERVER);
    assert!(world.client.lease().is_some());
}

#[test]
fn refused_while_renewing_it_gives_the_address_up_at_once() {
    let mut world = World::bound(3600);
    assert_eq!(world.hear_at(5, &world.from(NAK, SERVER, MINE, 3600)), None);
    assert_eq!(world.last.change, None, "nothing was asked, so nothing can be refused");
    world.wake();
    world.hear(NAK, SERVER);
    assert_eq!(world.last.change, Some(Change::Deconfigure));
    assert_eq!(world.wake(), DISCOVER);
}

#[test]
fn another_address_while_renewing_is_not_ours() {
    let mut world = World::bound(3600);
    world.wake();
    assert_eq!(world.hear_at(world.now, &world.from(ACK, SERVER, [192, 0, 2, 66], 3600)), None);
    assert_eq!(world.last.change, None);
    assert_eq!(world.client.lease().map(Lease::own), Some(Ipv4Addr::from(MINE)));
}

#[test]
fn a_lease_for_ever_and_the_shortest_one() {
    let world = World::bound(u32::MAX);
    assert!(world.last.wake > 60 * 365 * 86_400 * 1000);
    let mut world = World::bound(10);
    let wakes: Vec<_> = (0..3).map(|_| (world.wake(), world.now)).collect();
    assert_eq!(wakes, [(RENEW, 5_000), (REBIND, 9_000), (DISCOVER, 10_000)]);
}

#[test]
fn the_lease_counts_from_the_question() {
    let mut world = World::new();
    world.wake();
    world.hear(OFFER, SERVER);
    let ack = world.from(ACK, SERVER, MINE, 3600);
    world.hear_at(900, &ack);
    assert_eq!(world.last.wake, 1_800_000);
}

#[test]
fn it_releases_what_it_has() {
    assert_eq!(World::new().client.release(1), None);
    let release = World::bound(3600).client.release(1).unwrap();
    assert_eq!((release.to.octets(), release.message[242]), (SERVER, 7));
    assert_eq!(release.message[12..16], MINE);
}
