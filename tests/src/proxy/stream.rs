//! The two ends of a connection through the proxy.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
};

use tokio_postgres::{Config, config::Host};

/// A socket, shared between the thread that reads it and the one that writes.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    pub(crate) fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    /// Reads until the end, whatever brings it.
    pub(crate) fn each_read(&self, mut take: impl FnMut(&[u8])) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = match self {
                Self::Tcp(stream) => (&*stream).read(&mut buffer),
                Self::Unix(stream) => (&*stream).read(&mut buffer),
            };
            match read {
                Ok(0) => return,
                Ok(length) => take(buffer.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    pub(crate) fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => (&*stream).write_all(bytes),
            Self::Unix(stream) => (&*stream).write_all(bytes),
        }
    }

    /// Ends both directions.
    pub(crate) fn shut(&self) {
        self.shut_down(Shutdown::Both);
    }

    /// Says that nothing more will be sent. Closing both directions would answer what the other side still sends with a
    /// reset, and a reset overtakes what is not read yet.
    pub(crate) fn say_goodbye(&self) {
        self.shut_down(Shutdown::Write);
    }

    fn shut_down(&self, how: Shutdown) {
        // A failure means that it has ended already.
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(how),
            Self::Unix(stream) => stream.shutdown(how),
        };
    }
}

/// Where the server is.
#[derive(Debug)]
pub(crate) enum Upstream {
    Tcp(String, u16),
    Unix(PathBuf),
}

impl Upstream {
    pub(crate) fn of(config: &Config) -> Self {
        let port = config.get_ports().first().copied().unwrap_or(5432);
        match config.get_hosts().first() {
            Some(Host::Unix(folder)) => Self::Unix(folder.join(format!(".s.PGSQL.{port}"))),
            Some(Host::Tcp(host)) => Self::Tcp(host.clone(), port),
            None => Self::Tcp("localhost".to_owned(), port),
        }
    }

    pub(crate) fn connect(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(host, port) => TcpStream::connect((host.as_str(), *port)).and_then(Stream::tcp),
            Self::Unix(path) => UnixStream::connect(path).map(Stream::Unix),
        }
    }
}
