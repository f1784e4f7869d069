//! Base64 as RFC 4648 has it in section 4: padded, its unused bits zeros, so that there is one way to write each value.

/// What a text says, put into `room`; `None` of anything else, and where there is too little room.
pub fn decode<'r>(text: &[u8], room: &'r mut [u8]) -> Option<&'r [u8]> {
    let room = room.get_mut(..length(text)?)?;
    for (bytes, digits) in room.chunks_mut(3).zip(text.chunks(4)) {
        let (digits, padding) = digits.split_at_checked(bytes.len().checked_add(1)?)?;
        let bits = digits.iter().try_fold(0_u32, |bits, &digit| Some(bits << 6 | value_of(digit)?))?;
        let bits = bits.checked_shl(u32::try_from(padding.len()).ok()?.checked_mul(6)?)?;
        let [_, decoded @ ..] = bits.to_be_bytes();
        let (decoded, unused) = decoded.split_at_checked(bytes.len())?;
        if padding.iter().any(|&byte| byte != b'=') || unused.iter().any(|&byte| byte != 0) {
            return None;
        }
        bytes.copy_from_slice(decoded);
    }
    Some(room)
}

/// The same of a text that says exactly so many bytes.
pub fn decode_exactly<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let length = decode(text.as_bytes(), &mut bytes)?.len();
    (length == N).then_some(bytes)
}

/// How many bytes a text of this length and padding says, whatever its digits are.
pub fn length(text: &[u8]) -> Option<usize> {
    let padding = text.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
    if !text.len().is_multiple_of(4) {
        return None;
    }
    (text.len() / 4).checked_mul(3)?.checked_sub(padding)
}

fn value_of(digit: u8) -> Option<u32> {
    let (first, value) = match digit {
        b'A'..=b'Z' => (b'A', 0),
        b'a'..=b'z' => (b'a', 26),
        b'0'..=b'9' => (b'0', 52),
        b'+' => (b'+', 62),
        b'/' => (b'/', 63),
        _ => return None,
    };
    u32::from(digit).checked_sub(first.into())?.checked_add(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_base64_and_what_is_not() {
        for (text, want) in [
            ("", Some(&b""[..])),
            ("Zg==", Some(b"f")),
            ("Zm8=", Some(b"fo")),
            ("Zm9v", Some(b"foo")),
            ("Zm9vYmE=", Some(b"fooba")),
            ("+/+/", Some(b"\xfb\xff\xbf")),
            ("Zg", None),
            ("Zg=", None),
            ("Z===", None),
            ("====", None),
            ("Zh==", None),
            ("Zm9=", None),
            ("Zg==Zg==", None),
            ("Zm9v\n", None),
            ("Zm9-", None),
            ("Zm9vYmFyYmF6", None),
        ] {
            assert_eq!(decode(text.as_bytes(), &mut [0; 8]), want, "{text:?}");
        }
        assert_eq!(decode_exactly("Zm9v"), Some(*b"foo"));
        assert_eq!(decode_exactly::<4>("Zm9v"), None, "one byte too few");
        assert_eq!(decode_exactly::<2>("Zm9v"), None, "one byte too many");
    }
}
