// Where an exception of DuckDB ends: Rust cannot catch one, and ends the process when it meets one.
// A panic is no std::exception and goes on through this frame.

#include <exception>

extern "C" void footfall_guard(void (*body)(void *), void *data, void (*caught)(void *, const char *)) {
	try {
		body(data);
	} catch (const std::exception &error) {
		caught(data, error.what());
	}
}
