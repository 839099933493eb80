#pragma once

#include <functional>
#include <string>

namespace kaem::io {

/// What `work` returns, called in a process of its own: for libraries that a damaged file can crash. An Error that it
/// throws is thrown here as a DataError with the same message; DataError "`what` ..." if the process ends otherwise.
/// `work` may not rely on other threads.
std::string in_child(const std::string& what, const std::function<std::string()>& work);

}  // namespace kaem::io
