#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"

namespace mpira::model {

/// Reads the members of a JSON object; what is missing or of another type is a usage error with its path.
class Fields {
public:
    Fields(nlohmann::json const& object, std::string_view path) : object_(object), path_(path) {
        require(object.is_object(), fmt::format("{}: expected a JSON object, found {}", path_, kind(object)));
    }

    [[nodiscard]] nlohmann::json const& at(std::string_view key) const {
        auto const found = object_.find(key);
        require(found != object_.end(), fmt::format("{}.{} is missing", path_, key));
        return *found;
    }

    template <typename T>
    [[nodiscard]] T get(std::string_view key) const {
        auto const& value = at(key);
        // JSON has one number type for nlohmann's get: 3.5 would silently become 3.
        bool const fits = !std::is_integral_v<T> || std::is_same_v<T, bool> || value.is_number_integer();
        try {
            if (fits) return value.template get<T>();
        } catch (nlohmann::json::exception const&) {
            // falls through to the message below
        }
        fail_usage(fmt::format("{}.{} has an unexpected type or value ({})", path_, key, kind(value)));
    }

private:
    static std::string kind(nlohmann::json const& value) { return value.type_name(); }
    nlohmann::json const& object_;
    std::string path_;
};

}  // namespace mpira::model
