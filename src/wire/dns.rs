//! Questions to a name server and its answers (RFC 1035; AAAA: RFC 3596): the addresses of one name, aliases followed within
//! one message.

use crate::bytes::{be16, take};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use heapless::Vec;

/// The longest name, in bytes, as it stands in a message.
const MAX_NAME: usize = 255;
/// The longest question, in bytes: a head, a name, a type and a class.
pub const MAX_QUESTION: usize = 12 + MAX_NAME + 4;
/// How many addresses are taken out of an answer.
pub const MAX_ADDRESSES: usize = 8;
/// How many records of an answer are looked at.
const MAX_RECORDS: u16 = 64;
/// How many aliases of aliases are followed, and how many jumps within a message a name may take.
const MAX_JUMPS: u8 = 16;

const CNAME: u16 = 5;
const INTERNET: u16 = 1;

/// Which addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IPv4: A.
    V4 = 1,
    /// IPv6: AAAA.
    V6 = 28,
}

/// What a name server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The addresses, which may be none.
    Addresses(Vec<IpAddr, MAX_ADDRESSES>),
    /// The answer has no room in a datagram: ask again over TCP.
    Truncated,
    /// It cannot or will not say: its `RCODE`, 3 where there is no such name.
    Failed(u8),
    /// It answers the question with bytes that make no sense.
    Garbled,
}

/// A name as it stands in a message, in lower case, without the byte 0 at its end.
type Name = Vec<u8, MAX_NAME>;

/// A question, as it is sent; `None` of a name that cannot be asked for.
pub fn question(id: u16, name: &str, kind: Kind) -> Option<Vec<u8, MAX_QUESTION>> {
    let mut message = Vec::new();
    message.extend_from_slice(&id.to_be_bytes()).ok()?;
    // Recursion desired; one question and nothing else.
    message.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]).ok()?;
    message.extend_from_slice(&encode(name)?).ok()?;
    message.push(0).ok()?;
    message.extend_from_slice(&(kind as u16).to_be_bytes()).ok()?;
    message.extend_from_slice(&INTERNET.to_be_bytes()).ok()?;
    Some(message)
}

/// Reads a message; `None` of one that does not answer this very question.
pub fn answer(message: &[u8], id: u16, name: &str, kind: Kind) -> Option<Answer> {
    let [flags, code] = take(message, 2)?;
    let is_answer = flags & 0xf8 == 0x80;
    let (asked, at) = decode(message, 12)?;
    let question = (be16(message, at)?, be16(message, at.checked_add(2)?)?);
    let ours = be16(message, 0)? == id && be16(message, 4)? == 1 && asked == encode(name)?;
    if !is_answer || !ours || question != (kind as u16, INTERNET) {
        return None;
    }
    Some(match code & 0xf {
        _ if flags & 2 != 0 => Answer::Truncated,
        0 => addresses(message, asked, at.checked_add(4)?, kind).map_or(Answer::Garbled, Answer::Addresses),
        code => Answer::Failed(code),
    })
}

/// The addresses of a name, or of what it is an alias of.
fn addresses(message: &[u8], mut name: Name, records: usize, kind: Kind) -> Option<Vec<IpAddr, MAX_ADDRESSES>> {
    let mut found = Vec::new();
    for _ in 0..MAX_JUMPS {
        let mut alias = None;
        let mut at = records;
        for _ in 0..be16(message, 6)?.min(MAX_RECORDS) {
            let record = Record::read(message, at)?;
            at = record.end;
            if record.owner != name || record.class != INTERNET {
                continue;
            }
            match (record.kind, record.address(message)) {
                // Those that have no room are left out.
                (number, Some(address)) if number == kind as u16 => found.push(address).unwrap_or_default(),
                (number, None) if number == kind as u16 => return None,
                (CNAME, _) => alias = Some(decode(message, record.data)?.0),
                _ => {}
            }
        }
        match alias {
            Some(alias) if found.is_empty() => name = alias,
            _ => return Some(found),
        }
    }
    None
}

struct Record {
    owner: Name,
    kind: u16,
    class: u16,
    data: usize,
    end: usize,
}

impl Record {
    fn read(message: &[u8], at: usize) -> Option<Record> {
        let (owner, at) = decode(message, at)?;
        let (kind, class) = (be16(message, at)?, be16(message, at.checked_add(2)?)?);
        let length = be16(message, at.checked_add(8)?)?;
        let data = at.checked_add(10)?;
        let end = data.checked_add(length.into())?;
        message.get(data..end)?;
        Some(Record { owner, kind, class, data, end })
    }

    fn address(&self, message: &[u8]) -> Option<IpAddr> {
        let bytes = message.get(self.data..self.end)?;
        match self.kind {
            1 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
            28 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
            _ => None,
        }
    }
}

/// `www.example.org` or the same with a dot at its end; labels of 1 to 63 bytes.
fn encode(name: &str) -> Option<Name> {
    let mut encoded = Name::new();
    for label in name.strip_suffix('.').unwrap_or(name).split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length))?;
        encoded.push(length).ok()?;
        encoded.extend_from_slice(label.as_bytes()).ok()?;
    }
    encoded.make_ascii_lowercase();
    // One byte of the 255 is the 0 at its end.
    (encoded.len() < MAX_NAME).then_some(encoded)
}

/// The name at a place, and where what follows it stands. Pointers lead back, never on, and not for ever.
fn decode(message: &[u8], start: usize) -> Option<(Name, usize)> {
    let (mut name, mut at, mut end) = (Name::new(), start, None);
    let mut jumps = 0u8;
    loop {
        let length = *message.get(at)?;
        let next = at.checked_add(1)?;
        match length {
            0 => break,
            1..64 => {
                let stop = next.checked_add(length.into())?;
                name.push(length).ok()?;
                name.extend_from_slice(message.get(next..stop)?).ok()?;
                at = stop;
                continue;
            }
            192.. => {
                end = end.or(at.checked_add(2));
                let to = usize::from(be16(message, at)? & 0x3fff);
                jumps = jumps.checked_add(1)?;
                if to >= at || jumps > MAX_JUMPS {
                    return None;
                }
                at = to;
            }
            64..192 => return None,
        }
    }
    name.make_ascii_lowercase();
    Some((name, end.or(at.checked_add(1))?))
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec;

    /// An answer to the question for `a.example`, with these records behind it, a count and their bytes.
    fn message(flags: [u8; 2], count: u8, records: &[u8]) -> std::vec::Vec<u8> {
        let mut message = question(7, "a.example", Kind::V4).unwrap().to_vec();
        message[2] = flags[0];
        message[3] = flags[1];
        message[7] = count;
        message.extend_from_slice(records);
        message
    }

    /// A record whose owner is what stands at `owner`.
    fn record(owner: u8, kind: u8, data: &[u8]) -> std::vec::Vec<u8> {
        let head = [0xc0, owner, 0, kind, 0, 1, 0, 0, 0, 60, 0, u8::try_from(data.len()).unwrap()];
        [&head[..], data].concat()
    }

    fn read(message: &[u8]) -> Option<Answer> {
        answer(message, 7, "A.example.", Kind::V4)
    }

    fn found(list: &[&str]) -> Option<Answer> {
        Some(Answer::Addresses(list.iter().map(|text| text.parse().unwrap()).collect()))
    }

    const OK: [u8; 2] = [0x81, 0x80];
    /// Where the first record's data stand in such a message: behind the question (27 bytes) and the record's head (12).
    const DATA: u8 = 39;

    #[test]
    fn a_question_is_what_the_standard_says() {
        let asked = question(0x0102, "a.Example", Kind::V6).unwrap();
        assert_eq!(asked, *b"\x01\x02\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x07example\x00\x00\x1c\x00\x01");
        let long = ["abcdefg."; 32].concat();
        for (name, fits) in
            [("", false), (".", false), ("a..b", false), (&"x".repeat(64), false), (&"x".repeat(63), true)]
        {
            assert_eq!(question(1, name, Kind::V4).is_some(), fits, "{name}");
        }
        assert_eq!((question(1, &long, Kind::V4), question(1, &long[8..], Kind::V4).is_some()), (None, true));
    }

    #[test]
    fn addresses_are_found_through_aliases() {
        let one = record(12, 1, &[192, 0, 2, 1]);
        let alias = record(12, 5, b"\x01b\xc0\x0e");
        let of_alias = record(DATA, 1, &[192, 0, 2, 2]);
        let other = record(14, 1, &[192, 0, 2, 9]);
        for (row, count, records, want) in [
            ("none", 0, vec![], found(&[])),
            ("one", 1, one.clone(), found(&["192.0.2.1"])),
            ("two", 2, [one.clone(), record(12, 1, &[192, 0, 2, 3])].concat(), found(&["192.0.2.1", "192.0.2.3"])),
            ("alias", 2, [alias.clone(), of_alias.clone()].concat(), found(&["192.0.2.2"])),
            ("alias without", 1, alias.clone(), found(&[])),
            ("somebody else's", 2, [other, one.clone()].concat(), found(&["192.0.2.1"])),
            ("another kind", 1, record(12, 28, &[0; 16]), found(&[])),
            ("too many", 9, one.repeat(9), found(&["192.0.2.1"; 8])),
        ] {
            assert_eq!(read(&message(OK, count, &records)), want, "{row}");
        }
        let mut six = question(7, "a.example", Kind::V6).unwrap().to_vec();
        (six[2], six[7]) = (0x81, 1);
        six.extend_from_slice(&record(12, 28, &[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]));
        assert_eq!(answer(&six, 7, "a.example", Kind::V6), found(&["2001:db8::1"]));
    }

    #[test]
    fn what_is_no_answer_to_us_is_none() {
        let good = message(OK, 0, &[]);
        let with = |at: usize, byte: u8| {
            let mut other = good.clone();
            other[at] = byte;
            read(&other)
        };
        for (row, found) in [
            ("another id", with(1, 8)),
            ("a question", with(2, 1)),
            ("a status", with(2, 0x91)),
            ("no question", with(5, 0)),
            ("another name", with(13, b'b')),
            ("another kind", with(24, 28)),
            ("another class", with(26, 3)),
        ] {
            assert_eq!(found, None, "{row}");
        }
        for length in 0..good.len() {
            assert_eq!(read(&good[..length]), None, "{length}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        let loops = record(12, 5, b"\xc0\x0c");
        let ahead = [0xc0, 40, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1];
        for (row, message, want) in [
            ("no such name", message([0x81, 0x83], 0, &[]), Answer::Failed(3)),
            ("refused", message([0x81, 0x85], 0, &[]), Answer::Failed(5)),
            ("cut off", message([0x83, 0x80], 0, &[]), Answer::Truncated),
            ("fewer records than announced", message(OK, 1, &[]), Answer::Garbled),
            ("a short address", message(OK, 1, &record(12, 1, &[192, 0, 2])), Answer::Garbled),
            ("an alias of itself", message(OK, 1, &loops), Answer::Garbled),
            ("a name ahead", message(OK, 1, &ahead), Answer::Garbled),
            ("a label of no kind", message(OK, 1, &[0x80, 0, 0, 0]), Answer::Garbled),
        ] {
            assert_eq!(read(&message), Some(want), "{row}");
        }
        let whole = message(OK, 1, &record(12, 1, &[192, 0, 2, 1]));
        for length in 27..whole.len() {
            assert_eq!(read(&whole[..length]), Some(Answer::Garbled), "{length}");
        }
    }
}
