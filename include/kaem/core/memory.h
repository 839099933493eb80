#pragma once

#include <cstdint>

namespace kaem {

/// Keeps freed blocks of up to 1 GB for the next use instead of giving them back to the system: the pages of a fresh
/// block are cleared and mapped one by one, which costs more than the arithmetic that fills them. For programs that
/// allocate the same sizes again and again; only glibc knows how.
void keep_freed_memory();

/// Gives them back after all.
void release_freed_memory();

/// Resident memory of the program now, and the most so far, in bytes (0 where unknown).
int64_t resident_bytes();
int64_t peak_resident_bytes();

}  // namespace kaem
