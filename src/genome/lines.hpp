#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>

namespace mpira::genome {

/// The lines of a text file, plain or gzipped (bgzip included), with their numbers. Throws Origin::usage,
/// naming the file, when it can't be opened or its compressed data are damaged.
class Lines {
public:
    explicit Lines(std::filesystem::path const& file);
    ~Lines();
    Lines(Lines const&) = delete;
    Lines& operator=(Lines const&) = delete;

    /// The next line, without its end (LF or CR LF); false after the last one.
    bool next();
    [[nodiscard]] std::string_view line() const noexcept { return line_; }
    [[nodiscard]] std::int64_t number() const noexcept { return number_; }

    /// A usage error at the present line: "peaks.bed line 12: <what>".
    [[noreturn]] void refuse(std::string_view what,
                             std::source_location where = std::source_location::current()) const;

private:
    struct Stream;
    std::string file_;
    std::unique_ptr<Stream> stream_;
    std::string_view line_;
    std::int64_t number_ = 0;
};

}  // namespace mpira::genome
