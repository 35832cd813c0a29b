//! The admin token's file.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use secrecy::SecretString;

/// Fewest characters of a token: what is shorter can be guessed.
const MIN_TOKEN: usize = 16;

/// Longest token file, in bytes.
const MAX_TOKEN_FILE: u64 = 4096;

/// The token's file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It can't be read.
    #[error("the token file {path} can't be read: {source}")]
    Read {
        /// `token_file`.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It doesn't exist and can't be created.
    #[error(
        "the token file {path} doesn't exist and can't be created: {source}; its directory must exist and belong to the daemon's user"
    )]
    Create {
        /// `token_file`.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read it.
    #[error("the token file {path} can be read by everybody (mode {mode:04o}): chmod 600 it, and change the token")]
    Exposed {
        /// `token_file`.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is a directory, a device, a pipe.
    #[error("the token file {path} is no regular file: name a file that holds the token alone")]
    NotAFile {
        /// `token_file`.
        path: PathBuf,
    },
    /// Its token is too short.
    #[error(
        "the token file {path} holds {length} characters, and a token has at least {MIN_TOKEN}: put a random one there \
         (openssl rand -hex 32), or delete the file and one is generated"
    )]
    Short {
        /// `token_file`.
        path: PathBuf,
        /// Characters that it has.
        length: usize,
    },
    /// It holds no token.
    #[error(
        "the token file {path} must hold one line of printable ASCII characters; delete it and a token is generated"
    )]
    NoToken {
        /// `token_file`.
        path: PathBuf,
    },
    /// The kernel gave no random numbers.
    #[error("no token can be generated: the kernel gives no random numbers: {0}")]
    Random(getrandom::Error),
}

/// The admin token of `token_file`; at the first start one is generated (256 bits, hexadecimal; mode 0600).
///
/// # Errors
/// [`TokenError`] where the file can't be read or created, is open to everybody, or holds no token.
pub fn load_or_create_token(path: &Path) -> Result<SecretString, TokenError> {
    match load(path) {
        Err(TokenError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        result => return result,
    }
    create(path)?;
    // Another daemon may have been first: what the file holds now is the token.
    load(path)
}

fn load(path: &Path) -> Result<SecretString, TokenError> {
    let unreadable = |source| TokenError::Read { path: path.to_owned(), source };
    let file = open_regular(path).map_err(unreadable)?;
    let file = file.ok_or_else(|| TokenError::NotAFile { path: path.to_owned() })?;
    let mode = file.metadata().map_err(unreadable)?.mode() & 0o777;
    if mode & 0o007 != 0 {
        return Err(TokenError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.take(MAX_TOKEN_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
    let token = text.trim();
    if token.is_empty() || text.len() as u64 > MAX_TOKEN_FILE || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TokenError::NoToken { path: path.to_owned() });
    }
    if token.len() < MIN_TOKEN {
        return Err(TokenError::Short { path: path.to_owned(), length: token.len() });
    }
    Ok(SecretString::from(token))
}

/// Opens a regular file; `None`: it is something else, which might never answer.
pub(super) fn open_regular(path: &Path) -> io::Result<Option<File>> {
    // Opening a pipe would wait for its other end: it is checked before it is opened, and again through the handle.
    if !fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    let file = File::open(path)?;
    Ok(file.metadata()?.is_file().then_some(file))
}

/// Writes the file beside its place and links it there: it never holds half a token, and an existing one stays.
fn create(path: &Path) -> Result<(), TokenError> {
    let mut halves = [[0; 16]; 2];
    getrandom::fill(halves.as_flattened_mut()).map_err(TokenError::Random)?;
    let [high, low] = halves.map(u128::from_be_bytes);
    let text = format!("{high:032x}{low:032x}\n");

    let failed = |source| TokenError::Create { path: path.to_owned(), source };
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", std::process::id()));
    let draft = PathBuf::from(draft);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| match fs::hard_link(&draft, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => result,
        });
    // Whether that works or not, the result of the lines above is what counts.
    let _ = fs::remove_file(&draft);
    written.map_err(failed)?;
    tracing::info!(path = %path.display(), "generated the API's admin token");
    Ok(())
}
