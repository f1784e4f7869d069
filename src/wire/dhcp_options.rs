//! The options of a DHCPv4 message: where they stand, and taking one out (RFC 2131 §4.1, RFC 2132, RFC 3396).

use crate::bytes::take;
use crate::dhcp::{Ignored, LONGEST};
use core::net::Ipv4Addr;
use heapless::Vec;

/// What options begin with.
pub const MAGIC: [u8; 4] = [99, 130, 83, 99];
/// Option 0: nothing.
pub const PAD: u8 = 0;
/// Option 1: subnet mask.
pub const MASK: u8 = 1;
/// Option 3: routers, the preferred first.
pub const ROUTERS: u8 = 3;
/// Option 6: name servers.
pub const DNS: u8 = 6;
/// Option 26: interface MTU.
pub const MTU: u8 = 26;
/// Option 50: the address asked for.
pub const REQUESTED: u8 = 50;
/// Option 51: seconds.
pub const LEASE: u8 = 51;
/// Option 52: whether `file` and `sname` hold options too.
pub const OVERLOAD: u8 = 52;
/// Option 53: what a message is.
pub const MESSAGE_TYPE: u8 = 53;
/// Option 54: the server's identifier.
pub const SERVER: u8 = 54;
/// Option 55: which options a client wants.
pub const PARAMETERS: u8 = 55;
/// Option 57: the longest message that a client takes.
pub const MAX_SIZE: u8 = 57;
/// Option 58: T1 in seconds.
pub const RENEW: u8 = 58;
/// Option 59: T2 in seconds.
pub const REBIND: u8 = 59;
/// Option 121: classless static routes (RFC 3442).
pub const CLASSLESS: u8 = 121;
/// Option 255: no further option.
pub const END: u8 = 255;

/// The places where options stand: behind the magic number and, if option 52 says so, in `file` and `sname`.
pub struct Options<'m> {
    places: [&'m [u8]; 3],
}

impl<'m> Options<'m> {
    /// Fails where one of them is not whole.
    pub fn read(message: &'m [u8]) -> Result<Options<'m>, Ignored> {
        let short = Ignored::Malformed("it is too short");
        if take::<4>(message, 236).ok_or(short)? != MAGIC {
            return Err(Ignored::Malformed("its magic number is another"));
        }
        let field = |from: usize, to: usize| message.get(from..to).ok_or(short);
        let mut options = Options { places: [message.get(240..).ok_or(short)?, &[], &[]] };
        let (sname, file) = (field(44, 108)?, field(108, 236)?);
        let overload = options.fixed::<1>(OVERLOAD)?;
        options.places = match (options.places, overload) {
            ([own, ..], None) => [own, &[], &[]],
            ([own, ..], Some([1])) => [own, file, &[]],
            ([own, ..], Some([2])) => [own, sname, &[]],
            ([own, ..], Some([3])) => [own, file, sname],
            _ => return Err(Ignored::Malformed("its option overload is none of 1, 2 and 3")),
        };
        options.get(END).map(|_| options) // goes through all of them once
    }

    /// All parts of an option, one behind the other (RFC 3396).
    pub fn get(&self, wanted: u8) -> Result<Option<Vec<u8, LONGEST>>, Ignored> {
        let cut_off = Ignored::Malformed("an option is cut off");
        let mut value: Option<Vec<u8, LONGEST>> = None;
        for mut rest in self.places {
            while let [code, behind @ ..] = rest {
                rest = behind;
                match *code {
                    PAD => continue,
                    END => break,
                    _ => {}
                }
                let (length, behind) = rest.split_first().ok_or(cut_off)?;
                let (part, behind) = behind.split_at_checked(usize::from(*length)).ok_or(cut_off)?;
                rest = behind;
                if *code == wanted {
                    value.get_or_insert_default().extend_from_slice(part).map_err(|_| cut_off)?;
                }
            }
        }
        Ok(value)
    }

    /// An option of exactly so many bytes.
    pub fn fixed<const N: usize>(&self, code: u8) -> Result<Option<[u8; N]>, Ignored> {
        let wrong = Ignored::Malformed("an option has not its length");
        self.get(code)?.map(|value| value.as_slice().try_into().map_err(|_| wrong)).transpose()
    }

    /// An option that is a number of 32 bits.
    pub fn number(&self, code: u8) -> Result<Option<u32>, Ignored> {
        Ok(self.fixed(code)?.map(u32::from_be_bytes))
    }

    /// An option that is an address.
    pub fn address(&self, code: u8) -> Result<Option<Ipv4Addr>, Ignored> {
        Ok(self.fixed::<4>(code)?.map(Ipv4Addr::from))
    }

    /// An option that is a list of addresses; none of them where there is no such option.
    pub fn addresses(&self, code: u8) -> Result<impl Iterator<Item = Ipv4Addr>, Ignored> {
        let value = self.get(code)?.unwrap_or_default();
        if !value.len().is_multiple_of(4) {
            return Err(Ignored::Malformed("an option has not its length"));
        }
        let at = move |number: usize| take::<4>(&value, number.checked_mul(4)?).map(Ipv4Addr::from);
        Ok((0..).map_while(at))
    }
}
