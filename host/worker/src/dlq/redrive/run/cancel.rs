//! The end of a job that was cancelled, where its sink keeps its offsets: the destination may have more than is written of the
//! job, because the session ended, or the worker was killed, while a batch was on its way. What it has gets its outcome here,
//! or a later job, whose place at the destination is another one, would write it again.

use tokio::sync::watch;

use super::super::choice::choose;
use super::super::job::State;
use super::super::now_ms;
use super::super::outcome::Kind;
use super::{End, Trouble, Work};
use crate::task::{Redriver, Target};

impl Work {
    /// Goes over what the sink has, and ends the job in front of what it has not.
    pub(super) async fn settle(
        &mut self,
        sink: &mut Redriver,
        own: bool,
        topic: Option<&str>,
        target: &watch::Receiver<Target>,
    ) -> Result<End, Trouble> {
        while *target.borrow() == Target::Running {
            let mut chunk = self.read().await?;
            let chosen = choose(&self.redrives, &self.job, &self.progress.ahead, &mut chunk, own, topic);
            let has = sink.has(&chosen.records).await?;
            let done = chosen.letters.iter().zip(&has).filter(|(_, has)| **has);
            let outcomes: Vec<_> = done.map(|(letter, _)| (letter.at, self.outcome(Kind::Redriven))).collect();
            self.progress.counts.redriven += outcomes.len() as u64;
            let more = chunk.next.is_some() && has.iter().all(|has| *has);
            if more {
                self.progress.counts.skipped += chosen.skipped;
                self.behind(&chunk);
            } else {
                self.progress.ahead.clear();
                (self.progress.state, self.progress.ended) = (State::Cancelled, Some(now_ms()));
            }
            self.write(outcomes, Vec::new()).await?;
            if !more {
                return Ok(End::Ended);
            }
        }
        Ok(End::Changed)
    }
}
