#pragma once

#include <string>

namespace kaem::io {

/// Holds a folder for this program alone, as two programs in one would overwrite each other's files. Where the file
/// system has no locks it holds nothing.
class FolderLock {
 public:
  /// UsageError "another program is WORK FOLDER" if another one holds it.
  FolderLock(const std::string& folder, const std::string& work);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  /// True if no program holds the folder now, or it is not there.
  static bool is_free(const std::string& folder);

 private:
  int descriptor_ = -1;
};

}  // namespace kaem::io
