//! A connection that is cut at a known place: when the server has done what it was asked for so many times, and the client has
//! not heard of the last time yet.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
    sync::Notify,
    task::JoinHandle,
};
use tokio_postgres::{Client, Config, NoTls, config::Host};

use crate::error::{Error, Fault};

/// What the server says at the end of each answer, ReadyForQuery:
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>
const READY: u8 = b'Z';

/// The other end of a client, to cut it off.
#[derive(Debug)]
pub(crate) struct Scissors {
    fuse: Arc<Fuse>,
    task: JoinHandle<()>,
}

impl Scissors {
    /// Connects. Of what is asked from now on, the client hears the answers but the last of so many.
    pub(crate) async fn connect(config: &Config, answers: usize) -> Result<(Client, Self), Error> {
        let fuse = Arc::new(Fuse::default());
        let name = config.get_dbname().unwrap_or_default().to_owned();
        let lost = |source| Fault::Connect { to: format!("the database {name}"), source };
        let stream = dial(config).await.map_err(|source| Fault::Dial { source })?;
        let fused = Fused { stream, fuse: Arc::clone(&fuse), frame: Frame::default() };
        let (client, connection) = config.connect_raw(fused, NoTls).await.map_err(lost)?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection that was to be cut has ended");
            }
        });
        fuse.set(answers);
        Ok((client, Self { fuse, task }))
    }

    /// Waits until the server has given the last answer.
    pub(crate) async fn wait(&self) {
        self.fuse.blown.notified().await;
    }

    /// Closes the connection as the end of a process does, whatever the client has yet to say.
    pub(crate) async fn cut(self) {
        self.task.abort();
        // Its end is not of interest.
        let _ = self.task.await;
    }
}

/// How many answers may pass; `None` is all.
#[derive(Debug, Default)]
struct Fuse {
    left: Mutex<Option<usize>>,
    blown: Notify,
}

impl Fuse {
    fn set(&self, answers: usize) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(answers);
    }

    /// Counts an answer; false if it is not to be heard.
    fn lets_pass(&self) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(left) = left.as_mut() else { return true };
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.blown.notify_one();
        }
        *left > 0
    }
}

/// A stream from a server that goes silent when its fuse is blown.
struct Fused {
    stream: Box<dyn Stream>,
    fuse: Arc<Fuse>,
    frame: Frame,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Where in the server's messages the bytes are: each has a byte that says what it is, and four of its length with themselves.
#[derive(Debug, Default)]
struct Frame {
    head: Vec<u8>,
    body_left: usize,
    is_silent: bool,
}

impl Frame {
    fn advance(&mut self, bytes: &[u8], fuse: &Fuse) {
        for &byte in bytes {
            if self.body_left > 0 {
                self.body_left = self.body_left.saturating_sub(1);
                continue;
            }
            self.head.push(byte);
            let [kind, a, b, c, d] = self.head[..] else { continue };
            self.body_left =
                usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX).saturating_sub(4);
            self.head.clear();
            if kind == READY && !fuse.lets_pass() {
                self.is_silent = true;
                return;
            }
        }
    }
}

async fn dial(config: &Config) -> io::Result<Box<dyn Stream>> {
    let port = config.get_ports().first().copied().unwrap_or(5432);
    match config.get_hosts().first() {
        Some(Host::Unix(folder)) => {
            Ok(Box::new(UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).await?))
        }
        Some(Host::Tcp(host)) => Ok(Box::new(TcpStream::connect((host.as_str(), port)).await?)),
        None => Err(io::Error::new(io::ErrorKind::InvalidInput, "the configuration names no host")),
    }
}

impl AsyncRead for Fused {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.frame.is_silent {
            // Nobody is woken for it any more.
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        this.frame.advance(buffer.filled().get(before..).unwrap_or_default(), &this.fuse);
        if this.frame.is_silent {
            buffer.set_filled(before);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Fused {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CommandComplete, ReadyForQuery.
    const ANSWER: &[u8] = b"C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I";

    #[test]
    fn an_answer_is_counted_however_it_is_cut_up() {
        for size in 1..=ANSWER.len() {
            let (fuse, mut frame) = (Fuse::default(), Frame::default());
            frame.advance(ANSWER, &fuse);
            fuse.set(3);
            let answers = ANSWER.repeat(5);
            let heard = answers.chunks(size).take_while(|chunk| {
                frame.advance(chunk, &fuse);
                !frame.is_silent
            });
            let heard = heard.count();
            // The head of the third ReadyForQuery has a byte behind it.
            assert_eq!(heard, (ANSWER.len() * 3 - 2) / size, "{size}");
        }
    }

    #[test]
    fn a_fuse_that_is_not_set_lets_everything_pass() {
        let (fuse, mut frame) = (Fuse::default(), Frame::default());
        frame.advance(&ANSWER.repeat(9), &fuse);
        assert!(!frame.is_silent);
    }
}
