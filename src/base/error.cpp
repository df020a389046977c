#include "mpira/base/error.hpp"

#include <cerrno>
#include <cstring>

namespace mpira {

namespace {

/// The text with what it quotes, as a file's whole content may be, cut to what a person reads.
std::string with_short_quotes(std::string_view text) {
    constexpr std::size_t kLongest = 200;  // a name may be so long, a line of a wrong file is longer
    std::string out;
    std::size_t from = 0;
    for (auto open = text.find('\''); open != std::string_view::npos; open = text.find('\'', open)) {
        auto const close = text.find('\'', open + 1);
        bool const opens =
            open == 0 || std::string_view(" (:=").find(text[open - 1]) != std::string_view::npos;
        if (!opens || close == std::string_view::npos) {
            ++open;  // of "can't"
            continue;
        }
        if (close - open > kLongest + 1) {
            auto end = open + 1 + kLongest;
            while ((static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;  // a character's border
            out.append(text.substr(from, end - from)).append("...");
            from = close;
        }
        open = close + 1;
    }
    return out.append(text.substr(from));
}

}  // namespace

Error::Error(Origin origin, std::string_view what, std::source_location where)
    : std::runtime_error(with_short_quotes(what)), origin_(origin), where_(where) {}

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
