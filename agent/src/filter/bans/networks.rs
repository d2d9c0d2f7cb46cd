//! Bans of networks: in the tries, with their records and their presence.

use std::{io, sync::atomic::Ordering};

use mailwall_common::{BanSlot, KernelInstant};

use super::{
    super::{
        error::FilterError,
        place::Network,
        settings::SettingsEntry,
        table::{Step, span_v4, span_v6},
    },
    Bans, MANY,
};

impl Bans {
    /// Sets the presence of a network that is in the table and about to enter the trie.
    pub(super) fn mark(
        &mut self,
        network: Network,
        settings: &mut SettingsEntry,
    ) -> Result<(), FilterError> {
        match network {
            Network::V4(key) => {
                self.presence_v4.add_network(span_v4(key))?;
                self.shortcuts.tell(span_v4(key), self.table.v4())?;
            }
            Network::V6(key) => self.presence_v6.add_network(span_v6(key))?,
        }
        self.tell_wide(settings)
    }

    /// Clears the presence of a network that has left, as far as nothing else needs it.
    pub(super) fn unmark(
        &mut self,
        network: Network,
        settings: &mut SettingsEntry,
    ) -> Result<(), FilterError> {
        match network {
            Network::V4(key) => {
                self.shortcuts.tell(span_v4(key), self.table.v4())?;
                self.presence_v4
                    .remove_network(span_v4(key), self.table.v4())?;
            }
            Network::V6(key) => self.presence_v6.remove_network(span_v6(key))?,
        }
        self.tell_wide(settings)
    }

    pub(super) fn tell_wide(&self, settings: &mut SettingsEntry) -> Result<(), FilterError> {
        // The kernel asks only whether there are any. A number of one byte cannot be seen half-written as none.
        let wide = self.presence_v6.wide().min(u32::from(u8::MAX));
        settings.change(|settings| settings.wide_networks_v6 = wide)
    }

    /// What the tries hold, with the ends.
    pub(super) fn entries(&self) -> Result<Vec<(Network, BanSlot, KernelInstant)>, FilterError> {
        let entries = self.tries.entries()?.into_iter();
        entries
            .map(|(network, slot)| {
                let ends = match self.record(slot, |record| record.ends_ns.load(Ordering::Acquire))
                {
                    Ok(ends) => KernelInstant::from_ns(ends),
                    // An entry of a record that does not exist; `adopt` finds it.
                    Err(FilterError::Memory(error))
                        if error.kind() == io::ErrorKind::InvalidInput =>
                    {
                        KernelInstant::NEVER
                    }
                    Err(error) => return Err(error),
                };
                Ok((network, slot, ends))
            })
            .collect()
    }

    pub(super) fn carry_out(&mut self, steps: &[Step]) -> Result<(), FilterError> {
        if steps.len() >= MANY {
            // One wide network can change the ends of many in it.
            self.records.hold()?;
        }
        for run in steps.chunk_by(|one, next| one.is_like(next)) {
            self.take_steps(run)?;
        }
        Ok(())
    }

    /// Takes steps of one kind.
    fn take_steps(&mut self, steps: &[Step]) -> Result<(), FilterError> {
        let mut enter = Vec::new();
        let mut leave = Vec::new();
        for step in steps {
            match *step {
                Step::Begin(slot, ends) => self.record(slot, |record| {
                    record.drops.store(0, Ordering::Relaxed);
                    record.ends_ns.store(ends.as_ns(), Ordering::Release);
                })?,
                Step::Extend(slot, ends) => self.record(slot, |record| {
                    record.ends_ns.store(ends.as_ns(), Ordering::Release);
                })?,
                Step::Enter(network, slot) => enter.push((network, slot)),
                Step::Leave(network, slot) => leave.push((network, slot)),
            }
        }
        self.tries.enter(&enter)?;
        for (network, slot) in &enter {
            if let Network::V4(network) = network {
                self.shortcuts.enter(*network, *slot)?;
            }
        }
        let networks: Vec<Network> = leave.iter().map(|(network, _)| *network).collect();
        for network in &networks {
            if let Network::V4(network) = network {
                self.shortcuts.leave(*network)?;
            }
        }
        self.tries.leave(&networks)?;
        // Their records stay as they are: a packet that found an entry just before it went is judged as it would have been then,
        // also when another ban goes on holding it.
        for (_, slot) in leave {
            self.table.release(slot);
        }
        Ok(())
    }
}
