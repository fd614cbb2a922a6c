//! A flat table over mixed hashes, for the look-ups that scoring does for every word.
//!
//! Most questions are about hashes that are not there. A bitmap of sixteen bits for each key, which
//! stays in the cache, answers nearly all of those without touching the table itself.

/// A table from hashes that [`super::words::hash`] or [`super::words::join`] made to small values.
#[derive(Clone, Debug)]
pub struct Flat<V> {
    /// One bit for each value of the hash's high bits: a key with them is there.
    filter: Vec<u64>,
    shift: u32,
    /// Open addressing by the hash's low bits; vacant where the key is `vacant`.
    slots: Vec<(u32, V)>,
    vacant: u32,
}

impl<V: Copy + Default> Default for Flat<V> {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl<V: Copy + Default> Flat<V> {
    /// Builds the table. Of equal keys the first counts.
    #[must_use]
    pub fn new(entries: &[(u32, V)]) -> Self {
        let bits = (entries.len() * 16).next_power_of_two().max(64);
        let size = (entries.len() + entries.len() / 2 + 2).next_power_of_two();
        let mut keys: Vec<u32> = entries.iter().map(|e| e.0).collect();
        keys.sort_unstable();
        keys.dedup();
        // The least number that is no key; there are fewer keys than numbers.
        let vacant = keys.iter().zip(0_u32..).take_while(|(k, n)| *k == n).count() as u32;
        let mut table = Self {
            filter: vec![0; bits / 64],
            shift: 32 - bits.trailing_zeros().min(32),
            slots: vec![(vacant, V::default()); size],
            vacant,
        };
        for (key, value) in entries {
            let bit = table.bit(*key);
            table.filter[bit / 64] |= 1 << (bit % 64);
            let mut at = *key as usize & (size - 1);
            while table.slots[at].0 != vacant && table.slots[at].0 != *key {
                at = (at + 1) & (size - 1);
            }
            if table.slots[at].0 == vacant {
                table.slots[at] = (*key, *value);
            }
        }
        table
    }

    fn bit(&self, key: u32) -> usize {
        (key >> self.shift) as usize
    }

    /// False where `key` is surely not in the table.
    #[inline]
    #[must_use]
    pub fn may_hold(&self, key: u32) -> bool {
        let bit = self.bit(key);
        self.filter[bit / 64] >> (bit % 64) & 1 != 0
    }

    #[inline]
    #[must_use]
    pub fn get(&self, key: u32) -> Option<V> {
        if self.may_hold(key) { self.find(key) } else { None }
    }

    /// [`Flat::get`] for keys that [`Flat::may_hold`] let through.
    #[inline]
    #[must_use]
    pub fn find(&self, key: u32) -> Option<V> {
        if key == self.vacant {
            return None;
        }
        let mask = self.slots.len() - 1;
        let mut at = key as usize & mask;
        loop {
            let (found, value) = self.slots[at];
            if found == key {
                return Some(value);
            }
            if found == self.vacant {
                return None;
            }
            at = (at + 1) & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::hash;
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn a_table_answers_as_a_map_does() {
        for n in [0_u32, 1, 2, 63, 64, 5_000] {
            // Mixed keys, and the small ones that a vacant mark could be taken for.
            let keys = (0..n).map(|i| if i % 5 == 0 { i / 5 } else { hash(&i.to_le_bytes()) });
            let entries: Vec<(u32, u32)> = keys.zip(100..).collect();
            let table = Flat::new(&entries);
            let mut map = HashMap::new();
            entries.iter().for_each(|(k, v)| {
                map.entry(*k).or_insert(*v);
            });
            for key in entries
                .iter()
                .map(|e| e.0)
                .chain(0..2_000)
                .chain((0..9_999).map(|i: u32| hash(&i.to_be_bytes())))
            {
                assert_eq!(table.get(key), map.get(&key).copied(), "{key}");
            }
        }
    }
}
