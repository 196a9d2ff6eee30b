//! Options given as one STRUCT.

use crate::error::Error;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads the options in a JSON object; one whose value is null takes its default.
/// `example` shows what the argument looks like.
///
/// # Errors
/// [`Error::Argument`] when it is no object, [`Error::Option`] for an option that
/// is unknown (with the known ones) or has a value of another type.
pub fn read<T: DeserializeOwned>(argument: &'static str, mut json: Value, example: &str) -> Result<T, Error> {
    // A list would be read as the fields in their order.
    let Some(object) = json.as_object_mut() else {
        return Err(Error::argument(argument, json, format!("a STRUCT such as {example}")));
    };
    object.retain(|_, value| !value.is_null());
    serde_path_to_error::deserialize(&json).map_err(|error| {
        let path = error.path().to_string();
        wrong(&json, &path, &error.into_inner().to_string())
    })
}

/// Serde's words in ours.
fn wrong(json: &Value, path: &str, problem: &str) -> Error {
    let (found, expected) = problem.rsplit_once(", expected ").unwrap_or(("", problem));
    if let Some(unknown) = found.strip_prefix("unknown field ") {
        let known = expected.trim_start_matches("one of ").replace('`', "");
        return Error::Option {
            option: unknown.trim_matches('`').to_owned(),
            received: "unknown".into(),
            allowed: known,
        };
    }
    let value = json.pointer(&format!("/{}", path.replace('.', "/")));
    Error::Option {
        option: path.to_owned(),
        received: value.map_or_else(|| found.to_owned(), Value::to_string),
        allowed: match expected {
            "usize" | "u32" | "u64" => "a whole number from 0 on",
            "i64" => "a whole number",
            "f64" => "a number",
            "a string" => "a text",
            "a boolean" => "true or false",
            other => other,
        }
        .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Options {
        size: usize,
        name: String,
        share: f64,
    }

    fn message(json: Value) -> String {
        read::<Options>("options", json, "{size: 1}").unwrap_err().to_string()
    }

    #[test]
    fn null_is_the_default() {
        let read: Options = read("options", json!({"size": null, "name": "a"}), "").unwrap();
        assert_eq!((read.size, read.name.as_str()), (0, "a"));
    }

    #[test]
    fn errors_name_the_option_what_was_received_and_what_is_allowed() {
        assert_eq!(
            message(json!({"sized": 1})),
            "option 'sized' is unknown; allowed: size, name, share"
        );
        assert_eq!(
            message(json!({"size": "many"})),
            "option 'size' is \"many\"; allowed: a whole number from 0 on"
        );
        assert_eq!(
            message(json!({"size": -1})),
            "option 'size' is -1; allowed: a whole number from 0 on"
        );
        assert_eq!(
            message(json!({"share": [1]})),
            "option 'share' is [1]; allowed: a number"
        );
        assert_eq!(message(json!({"name": 2.5})), "option 'name' is 2.5; allowed: a text");
        assert_eq!(
            message(json!([1])),
            "argument 'options' is [1]; allowed: a STRUCT such as {size: 1}"
        );
    }
}
