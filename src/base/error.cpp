#include "mpira/base/error.hpp"

#include <cerrno>
#include <cstring>

namespace mpira {

Error::Error(Origin origin, std::string_view what, std::source_location where)
    : std::runtime_error(std::string(what)), origin_(origin), where_(where) {}

int Error::exit_code() const noexcept {
    switch (origin_) {
        case Origin::usage:
            return 2;
        case Origin::stopped:
            return 3;
        default:
            return 1;
    }
}

void require(bool holds, std::string_view message, std::source_location where) {
    if (!holds) throw Error(Origin::usage, message, where);
}

void fail_usage(std::string_view message, std::source_location where) {
    throw Error(Origin::usage, message, where);
}

void ensure(bool holds, std::string_view message, std::source_location where) {
    if (!holds) throw Error(Origin::internal, message, where);
}

void fail_errno(std::string_view doing, std::string_view file, std::source_location where) {
    int const code = errno;
    throw Error(Origin::system, std::string(doing) + " " + std::string(file) + ": " + std::strerror(code),
                where);
}

}  // namespace mpira
