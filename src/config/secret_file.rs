//! A password from a file of its own.

use std::{fs::File, io::Read, os::unix::fs::PermissionsExt, path::Path};

use secrecy::SecretString;

/// Longest password file, in bytes.
const LONGEST: u64 = 4096;

/// Whether any user of the machine may read or write a file with this mode.
pub(super) fn is_exposed(mode: u32) -> bool {
    mode & 0o006 != 0
}

/// The first and only line of a file that nobody else may read. The error names neither the path nor the content.
pub(super) fn read(path: &Path) -> Result<SecretString, String> {
    let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let metadata = file.metadata().map_err(|error| format!("cannot be read: {error}"))?;
    if !metadata.is_file() {
        return Err("is not a regular file".to_owned());
    }
    if is_exposed(metadata.permissions().mode()) {
        return Err(format!("can be read or written by every user of this machine: chmod o-rwx {}", path.display()));
    }
    let mut text = String::new();
    let read = file.take(LONGEST + 1).read_to_string(&mut text);
    let length = read.map_err(|error| format!("cannot be read: {error}"))?;
    let password = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    match password {
        "" => Err("is empty: it must hold the password".to_owned()),
        _ if length as u64 > LONGEST => Err(format!("is larger than {LONGEST} bytes")),
        _ if password.contains('\n') => Err("has more than one line: it must hold the password alone".to_owned()),
        password => Ok(SecretString::from(password)),
    }
}
