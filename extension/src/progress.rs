//! A line that shows where a long call stands.
//!
//! It goes to standard error, and only when that is a terminal: a notebook, a
//! pipe or a server sees nothing. Whose line the cursor is in is not ours to
//! know: DuckDB may have a bar of its own there, and after Ctrl-C a prompt or
//! an error is written while our call is still on its way out. So the line
//! below the cursor is ours: what others write goes before it and, when they
//! begin a new line, over it; and erasing from the cursor on leaves nothing of
//! it and everything of theirs.

use crate::macros::full_name;
use std::io::{IsTerminal, Write};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// A call is silent for its first seconds: short ones need no line.
const SILENT_SECONDS: f64 = 2.0;
const BETWEEN_DRAWINGS: Duration = Duration::from_millis(100);
const BAR_WIDTH: u64 = 24;
/// Room below the cursor, the cursor kept, the line below emptied, no wrapping at the edge.
const BEGIN: &str = "\x1bD\x1b[A\x1b7\x1b[B\r\x1b[J\x1b[?7l";
const END: &str = "\x1b[?7h\x1b8";
const ERASE: &str = "\x1b[J";

/// There is one line: of the calls that run at once the first shows where it stands.
static LINE: Mutex<()> = Mutex::new(());

/// Shows where a call stands for as long as the value lives, and leaves no trace.
pub struct Display {
    label: String,
    wanted: bool,
    line: Option<MutexGuard<'static, ()>>,
    drawn: Option<Instant>,
}

impl Display {
    /// `function` is the macro that was called. Nothing is shown unless `wanted` and standard error is a terminal.
    pub fn new(function: &str, wanted: bool) -> Self {
        Self {
            label: full_name(function),
            wanted: wanted && is_possible(),
            line: None,
            drawn: None,
        }
    }

    /// Brings the line up to date: `done` of `total` after so many seconds, and what else there is to say.
    pub fn show(&mut self, done: u64, total: u64, seconds: f64, message: impl FnOnce() -> String) {
        let is_due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= BETWEEN_DRAWINGS);
        if !self.wanted || seconds < SILENT_SECONDS || !is_due {
            return;
        }
        if self.line.is_none() {
            self.line = LINE.try_lock().ok();
        }
        if self.line.is_some() {
            self.drawn = Some(Instant::now());
            write(&format!("{BEGIN}{}{END}", line(&self.label, done, total, &message())));
        }
    }
}

/// Does `work`, which says nothing itself, and shows for how long it has taken already.
pub fn during<R>(function: &str, wanted: bool, message: &str, work: impl FnOnce() -> R) -> R {
    if !wanted || !is_possible() {
        return work();
    }
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let begun = Instant::now();
        let watch = move || {
            let mut display = Display::new(function, wanted);
            while is_done.recv_timeout(BETWEEN_DRAWINGS) == Err(RecvTimeoutError::Timeout) {
                let seconds = begun.elapsed().as_secs_f64();
                display.show(0, 1, seconds, || format!("{message}, {seconds:.0} s"));
            }
        };
        // Without a thread nothing is shown.
        let _ = std::thread::Builder::new().spawn_scoped(scope, watch);
        let result = work();
        drop(done);
        result
    })
}

/// Whether there is somebody to see a line, and a cursor that moves.
fn is_possible() -> bool {
    let can_move = std::env::var_os("TERM").is_some_and(|terminal| terminal != "dumb");
    can_move && std::io::stderr().is_terminal()
}

impl Drop for Display {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            write(ERASE);
        }
    }
}

fn line(label: &str, done: u64, total: u64, message: &str) -> String {
    let share = done.min(total) as f64 / total.max(1) as f64;
    let full = (share * BAR_WIDTH as f64) as usize;
    let bar = "█".repeat(full) + &"░".repeat(BAR_WIDTH as usize - full);
    format!("{label} {bar} {:.0}% {message}", (100.0 * share).floor())
}

/// A terminal that is gone is no reason to stop.
fn write(text: &str) {
    let mut terminal = std::io::stderr().lock();
    let _ = terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_full_at_the_end_and_not_before() {
        assert_eq!(line("a", 0, 8, "b"), format!("a {} 0% b", "░".repeat(24)));
        assert_eq!(
            line("a", 6, 8, "b"),
            format!("a {}{} 75% b", "█".repeat(18), "░".repeat(6))
        );
        assert_eq!(line("a", 999, 1000, "b"), format!("a {}░ 99% b", "█".repeat(23)));
        assert_eq!(line("a", 9, 8, "b"), format!("a {} 100% b", "█".repeat(24)));
        assert_eq!(line("a", 0, 0, "b"), format!("a {} 0% b", "░".repeat(24)));
    }
}
