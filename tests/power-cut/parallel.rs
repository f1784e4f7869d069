//! The same work for many things, on all processors.

use anyhow::{Result, bail};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How many things are done at once.
pub fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Hands the numbers below `count` out in their order, each once, to workers that all run `work`; their results.
pub fn share<R: Send>(
    count: usize,
    work: impl Fn(&mut dyn Iterator<Item = usize>) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&number| number < count);
    thread::scope(|scope| {
        let workers: Vec<_> =
            (0..processors().min(count)).map(|_| scope.spawn(|| work(&mut std::iter::from_fn(take)))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// Does the work for each item; the results in the items' order.
pub fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    let shares = share(items.len(), |numbers| {
        numbers
            .map(|number| match items.get(number) {
                Some(item) => Ok((number, work(item)?)),
                None => bail!("there is no item {number}"),
            })
            .collect::<Result<Vec<_>>>()
    })?;
    let mut results: Vec<(usize, R)> = shares.into_iter().flatten().collect();
    results.sort_by_key(|(number, _)| *number);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_items_order() {
        let items: Vec<u64> = (0..100).collect();
        let doubled = each(&items, |item| Ok(item * 2)).expect("done");
        assert!(doubled.iter().zip(&items).all(|(double, item)| *double == item * 2), "{doubled:?}");
        assert_eq!(each(&[] as &[u64], |_| Ok(1)).expect("done"), [] as [i32; 0]);
    }

    #[test]
    fn an_error_is_the_result() {
        let error = each(&[1, 2, 3], |item| if *item == 2 { bail!("two") } else { Ok(()) }).expect_err("it failed");
        assert_eq!(error.to_string(), "two");
    }
}
