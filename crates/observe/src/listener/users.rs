//! Looks up the name of a user id in `/etc/passwd`.

use crate::proc_file::read_text;

/// The name of a user of this host; `None` if the file has no such user. Directory services are not consulted.
pub fn user_name(uid: u32) -> Option<String> {
    name_in(&read_text("/etc/passwd")?, uid)
}

/// Looks up a user id in text in the format of passwd(5): `name:password:uid:…`.
fn name_in(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        (id.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// Checks the promises for any text in place of the file: a name is one field of it.
#[cfg(any(test, fuzzing))]
pub(crate) fn check(passwd: &str) {
    assert!(name_in(passwd, 0).is_none_or(|name| passwd.contains(&name) && !name.contains([':', '\n'])));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_id_and_not_by_group() {
        let passwd =
            "root:x:0:0:root:/root:/bin/bash\n\nbroken\nredis:x:105:1000::/var/lib/redis:/bin/false\n";

        assert_eq!(name_in(passwd, 0).as_deref(), Some("root"));
        assert_eq!(name_in(passwd, 105).as_deref(), Some("redis"));
        assert_eq!(name_in(passwd, 1000), None);
    }
}
