#include "kaem/io/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "kaem/core/error.h"

namespace kaem::io {
namespace {

/// A descriptor of the folder; `held`: whether another program has the lock.
int open_and_lock(const std::string& folder, bool& held) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  held = descriptor >= 0 && ::flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  return descriptor;
}

}  // namespace

FolderLock::FolderLock(const std::string& folder, const std::string& work) {
  bool held = false;
  descriptor_ = open_and_lock(folder, held);
  if (!held) return;
  ::close(descriptor_);
  throw UsageError("another program is " + work + " " + folder);
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool FolderLock::is_free(const std::string& folder) {
  bool held = false;
  const int descriptor = open_and_lock(folder, held);
  if (descriptor >= 0) ::close(descriptor);
  return !held;
}

}  // namespace kaem::io
