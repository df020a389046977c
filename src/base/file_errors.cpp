#include "mpira/base/file_errors.hpp"

#include <fmt/format.h>

namespace mpira {

Error refusal_of(std::filesystem::filesystem_error const& error, std::source_location where) {
    auto const second = error.path2().empty() ? "" : fmt::format(" and {}", error.path2().string());
    return {Origin::usage, fmt::format("{}{}: {}", error.path1().string(), second, error.code().message()),
            where};
}

}  // namespace mpira
