//! Dropped connections, mirrors that change, and resuming: what is there is not asked for again.

use crate::PROGRAM;
use fetch_tests::ca::Ca;
use fetch_tests::hostile::{Asked, Hostile, Script};
use fetch_tests::noise;
use fetch_tests::place::{Place, job, notes};
use init::fetch::job::{Job, Patience};
use init::fetch::verified;

/// Several times what is made durable at once.
const SIZE: usize = 5_000_000;

/// A head for what was asked for, and the bytes from there on to a certain one.
fn answer(bytes: &[u8], etag: &str, asked: &Asked, end: usize) -> Vec<u8> {
    let (size, start) = (bytes.len(), asked.start());
    let ours = asked.if_range.as_deref().is_none_or(|validator| validator == etag);
    let (start, status) = match asked.range {
        Some(_) if ours => (start, format!("206 Partial Content\r\nContent-Range: bytes {start}-{}/{size}", size - 1)),
        _ => (0, "200 OK".to_string()),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: {etag}\r\n\r\n", size - start);
    [head.as_bytes(), &bytes[start..end.max(start)]].concat()
}

fn patient(job: Job, rounds: u32) -> Job {
    Job { patience: Patience { rounds, pause: 0, ..job.patience }, ..job }
}

fn start(script: Script) -> (Place, Hostile) {
    let ca = Ca::new(&["127.0.0.1"]).unwrap();
    (Place::new(PROGRAM, &ca.pem).unwrap(), Hostile::start("127.0.0.1", Some(ca.server().unwrap()), script).unwrap())
}

#[test]
fn ten_resets_cost_ten_connections_and_no_byte_twice() {
    let bytes = noise(SIZE, 3);
    let sent = bytes.clone();
    let (place, server) = start(Box::new(move |number, asked, wire| {
        let end = SIZE * (number + 1) / 11;
        wire.say(answer(&sent, "\"v1\"", asked, end));
        if number < 10 {
            wire.reset();
        }
    }));
    let (fetched, heard) = place.fetch(&patient(job(&bytes, &[&server.url("a")]), 30));
    fetched.and_then(|fetched| fetched.by_reading()).unwrap();
    let asked = server.asked();
    assert_eq!(asked.len(), 11, "{:?}", notes(&heard));
    for (number, asked) in asked.iter().enumerate().skip(1) {
        let (start, want) = (asked.start(), SIZE * number / 11);
        // A reset may overtake what was sent before it, but never brings anything twice.
        assert!(start <= want && start > SIZE * (number - 1) / 11, "{number}: {start}, {want}");
        assert_eq!(asked.if_range.as_deref(), Some("\"v1\""), "{number}");
    }
}

#[test]
fn an_answer_that_ignores_the_range_begins_anew() {
    let bytes = noise(SIZE, 4);
    let sent = bytes.clone();
    let (place, server) = start(Box::new(move |number, asked, wire| {
        let asked = if number == 1 { &Asked { range: None, ..asked.clone() } } else { asked };
        wire.say(answer(&sent, "\"v1\"", asked, if number == 0 { 2_000_000 } else { SIZE }));
    }));
    let (fetched, heard) = place.fetch(&patient(job(&bytes, &[&server.url("a")]), 3));
    fetched.and_then(|fetched| fetched.by_reading()).unwrap();
    let host = server.host();
    assert_eq!(
        notes(&heard),
        [format!("{host} closed the connection"), format!("{host} sends the file from its start")]
    );
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn a_range_that_was_not_asked_for_means_the_next_mirror() {
    let bytes = noise(SIZE, 5);
    let sent = bytes.clone();
    let (place, server) = start(Box::new(move |number, asked, wire| match asked.path.as_str() {
        "/lies" if number > 0 => {
            let (first, last) = (asked.start() + 1, SIZE - 1);
            wire.say(format!("HTTP/1.1 206 Partial\r\nContent-Range: bytes {first}-{last}/{SIZE}\r\n\r\n"));
            wire.say(&sent[first..]);
        }
        _ => wire.say(answer(&sent, "\"v1\"", asked, if number == 0 { 2_000_000 } else { SIZE })),
    }));
    let host = server.host();
    let (fetched, heard) = place.fetch(&patient(job(&bytes, &[&server.url("lies")]), 2));
    let told = format!(
        "{host} was asked for bytes 2000000 to 4999999 of 5000000 and answers with \"bytes 2000001-4999999/5000000\""
    );
    let sentence = fetched.unwrap_err().to_string();
    assert_eq!(sentence, format!("fetching vm_root 2: {told}"));
    assert_eq!(notes(&heard)[..2], [format!("{host} closed the connection"), told.clone()]);

    let (fetched, heard) = place.fetch(&job(&bytes, &[&server.url("lies"), &server.url("good")]));
    fetched.and_then(|fetched| fetched.by_reading()).unwrap();
    assert_eq!(notes(&heard).len(), 1);
}

#[test]
fn a_file_that_changed_meanwhile_is_fetched_whole_once_and_then_blamed() {
    let (bytes, other) = (noise(SIZE, 6), noise(SIZE, 7));
    let (new, old) = (bytes.clone(), other.clone());
    // It says that nothing has changed, and gives the rest of something else.
    let (place, server) = start(Box::new(move |number, asked, wire| match number {
        0 => wire.say(answer(&old, "\"v1\"", asked, 3_000_000)),
        _ => wire.say(answer(&new, "\"v1\"", asked, SIZE)),
    }));
    let (fetched, heard) = place.fetch(&patient(job(&bytes, &[&server.url("a")]), 3));
    fetched.and_then(|fetched| fetched.by_reading()).unwrap();
    assert_eq!(notes(&heard)[1..], ["the pieces do not fit together; starting over"]);
    let starts = server.asked().iter().map(Asked::start).collect::<Vec<_>>();
    assert_eq!(starts, [0, 3_000_000, 0]);

    std::fs::remove_file(place.part()).unwrap();
    let third = noise(SIZE, 8);
    let (fetched, _) = place.fetch(&patient(job(&third, &[&server.url("a")]), 3));
    let want = format!("fetching vm_root 2: {} sent other bytes than were signed", server.host());
    assert_eq!(fetched.unwrap_err().to_string(), want);
    assert_eq!(verified::read(&place.open().unwrap()).unwrap(), None);
}

#[test]
fn a_second_fetch_takes_up_what_the_first_one_left() {
    let bytes = noise(SIZE, 9);
    let sent = bytes.clone();
    let (place, server) = start(Box::new(move |number, asked, wire| {
        match number {
            0 => wire.say(answer(&sent, "\"v1\"", asked, 3_500_000)),
            // It is away for long enough that the child gives up.
            1 => {}
            _ => wire.say(answer(&sent, "\"v1\"", asked, SIZE)),
        }
    }));
    let job = job(&bytes, &[&server.url("a")]);
    let (fetched, _) = place.fetch(&job);
    assert!(fetched.unwrap_err().to_string().ends_with(" closed the connection"));
    let kept = verified::read(&place.open().unwrap()).unwrap().unwrap();
    assert!((3_000_000..=3_500_000).contains(&kept.bytes), "{}", kept.bytes);

    let (fetched, _) = place.fetch(&job);
    fetched.and_then(|fetched| fetched.by_reading()).unwrap();
    let last = server.asked().pop().unwrap();
    assert_eq!((last.start(), last.if_range.as_deref()), (usize::try_from(kept.bytes).unwrap(), Some("\"v1\"")));
    assert!(place.bytes().unwrap() == bytes);
}

#[test]
fn what_is_on_the_disk_is_never_trusted() {
    let bytes = noise(SIZE, 10);
    let sent = bytes.clone();
    let (place, server) = start(Box::new(move |number, asked, wire| {
        match number {
            0 => wire.say(answer(&sent, "\"v1\"", asked, 3_500_000)),
            // It is away for long enough that the child gives up.
            1 => {}
            _ => wire.say(answer(&sent, "\"v1\"", asked, SIZE)),
        }
    }));
    let job = job(&bytes, &[&server.url("a")]);
    assert!(place.fetch(&job).0.is_err());
    // A disk that has lost a block, as after a power cut.
    std::os::unix::fs::FileExt::write_all_at(&place.open().unwrap(), &[0; 4096], 8192).unwrap();
    let (fetched, heard) = place.fetch(&job);
    fetched.and_then(|fetched| fetched.by_reading()).unwrap();
    assert_eq!(notes(&heard), ["the pieces do not fit together; starting over"]);
}

#[test]
fn half_the_answers_are_503_and_it_comes_all_the_same() {
    let bytes = noise(SIZE, 11);
    let sent = bytes.clone();
    let (place, server) = start(Box::new(move |number, asked, wire| match number % 2 {
        0 => wire.say("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"),
        _ => wire.say(answer(&sent, "\"v1\"", asked, SIZE * (number + 1) / 12)),
    }));
    let (fetched, _) = place.fetch(&patient(job(&bytes, &[&server.url("a")]), 20));
    fetched.and_then(|fetched| fetched.by_reading()).unwrap();
    assert_eq!(server.asked().len(), 12);
}
