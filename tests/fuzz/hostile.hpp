#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>

#include "mpira/base/error.hpp"

#include "support/scratch_folder.hpp"

/// What every harness here demands of a parser: whatever the bytes, it reads them or refuses them as the
/// user's (Origin::usage). Another exception is as much a finding as what the sanitizers see.
namespace mpira::fuzz {

using Bytes = std::span<std::uint8_t const>;

inline std::string_view text_of(Bytes bytes) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): libFuzzer's bytes as text
    return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

/// Into a file of this process, written anew by each call, for parsers that take a path.
inline std::filesystem::path in_file(Bytes bytes, std::string const& name) {
    static test::ScratchFolder const folder;
    return folder.write(name, std::string(text_of(bytes)));
}

template <typename Parse>
int read_or_refuse(Parse const& parse) {
    try {
        parse();
    } catch (Error const& error) {
        if (error.origin() != Origin::usage) {
            std::fprintf(stderr, "not a usage error: %s\n", error.what());
            std::abort();
        }
    } catch (std::filesystem::filesystem_error const&) {
        // refusal_of, where the program ends
    } catch (std::exception const& error) {
        std::fprintf(stderr, "no error of ours: %s\n", error.what());
        std::abort();
    }
    return 0;
}

}  // namespace mpira::fuzz
