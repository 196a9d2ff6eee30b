-- About the extension itself.

CREATE MACRO footfall.main.footfall_version() AS system.main.footfall_version();
COMMENT ON MACRO footfall.main.footfall_version IS 'Gives the version of the extension.

Parameters:
none

Example:
SELECT footfall_version() SIMILAR TO ''[0-9]+\.[0-9]+\.[0-9]+'' AS is_a_version;';

CREATE MACRO footfall.main.footfall_devices() AS system.main.footfall_devices();
COMMENT ON MACRO footfall.main.footfall_devices IS 'Lists where networks can run here: ''cpu'', and ''cuda'' in a binary built for it on a machine with a GPU.

Parameters:
none

Example:
SELECT footfall_devices()[1] AS first;';
