using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Xunit;

namespace Tailora.Tests;

/// <summary>The option records against the schemas that the native library serves.</summary>
[Collection(NativeCollection.Name)]
public class OptionsTests
{
    public static TheoryData<string, Type> Sets => new()
    {
        { "model", typeof(ModelOptions) },
        { "dataset", typeof(DatasetOptions) },
        { "train", typeof(TrainingOptions) },
        { "adapter", typeof(AdapterOptions) },
        { "evaluate", typeof(EvaluateOptions) },
        { "session", typeof(SessionOptions) },
        { "generate", typeof(GenerateOptions) },
        { "score", typeof(ScoreOptions) },
        { "report", typeof(ReportOptions) },
        { "tokenize", typeof(TokenizeOptions) },
    };

    [Theory]
    [MemberData(nameof(Sets))]
    public void A_record_has_exactly_the_options_of_its_schema(string name, Type type)
    {
        JsonElement schema = TailoraNative.OptionsSchema(name).GetProperty("properties");
        IEnumerable<string> native = schema.EnumerateObject().Select(option => option.Name).Order();
        IEnumerable<string> managed = OptionsJson.Default.GetTypeInfo(type)!.Properties.Select(option => option.Name).Order();
        Assert.Equal(native, managed);
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public void Every_option_may_be_left_out(string name, Type type)
    {
        Assert.Equal("{}", JsonSerializer.Serialize(Activator.CreateInstance(type), OptionsJson.Default.GetTypeInfo(type)!));
        Assert.All(type.GetProperties(), property => Assert.Null(property.GetValue(Activator.CreateInstance(type))));
        Assert.False(TailoraNative.OptionsSchema(name).TryGetProperty("required", out _));
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public void Numbers_texts_and_flags_have_the_type_of_their_schema(string name, Type type)
    {
        JsonElement schema = TailoraNative.OptionsSchema(name).GetProperty("properties");
        foreach (JsonPropertyInfo option in OptionsJson.Default.GetTypeInfo(type)!.Properties)
        {
            if (!schema.GetProperty(option.Name).TryGetProperty("type", out JsonElement types))
            {
                continue; // a choice of several forms
            }

            IEnumerable<string?> native = types.ValueKind == JsonValueKind.Array ? types.EnumerateArray().Select(t => t.GetString()) : [types.GetString()];
            Type plain = Nullable.GetUnderlyingType(option.PropertyType) ?? option.PropertyType;
            string managed = plain == typeof(string) ? "string"
                : plain == typeof(bool) ? "boolean"
                : plain == typeof(double) ? "number"
                : plain.IsPrimitive ? "integer"
                : typeof(System.Collections.IEnumerable).IsAssignableFrom(plain) && !plain.Name.Contains("Dictionary", StringComparison.Ordinal) ? "array"
                : "object";
            Assert.True(native.Contains(managed), $"{name}.{option.Name}: {managed} here, {string.Join("|", native)} there");
        }
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public void Choices_are_those_of_the_schema(string name, Type type)
    {
        JsonElement schema = TailoraNative.OptionsSchema(name);
        foreach (JsonPropertyInfo option in OptionsJson.Default.GetTypeInfo(type)!.Properties)
        {
            Type plain = Nullable.GetUnderlyingType(option.PropertyType) ?? option.PropertyType;
            if (plain.IsEnum)
            {
                IEnumerable<string> managed = Enum.GetValues(plain).Cast<object>()
                    .Select(value => JsonSerializer.Serialize(value, OptionsJson.Default.GetTypeInfo(plain)!).Trim('"'));
                Assert.Equal(Choices(schema.GetProperty("properties").GetProperty(option.Name), schema).Order(), managed.Order());
            }
        }
    }

    /// <summary>Every text that a part of a schema allows by name.</summary>
    private static IEnumerable<string> Choices(JsonElement part, JsonElement schema) => part.ValueKind switch
    {
        JsonValueKind.Array => part.EnumerateArray().SelectMany(item => Choices(item, schema)),
        JsonValueKind.Object => part.EnumerateObject().SelectMany(entry => entry.Name switch
        {
            "const" => [entry.Value.GetString()!],
            "enum" => entry.Value.EnumerateArray().Where(value => value.ValueKind == JsonValueKind.String).Select(value => value.GetString()!),
            "$ref" => Choices(schema.GetProperty("$defs").GetProperty(entry.Value.GetString()!.Split('/')[^1]), schema),
            "anyOf" or "oneOf" => Choices(entry.Value, schema),
            _ => [],
        }),
        _ => [],
    };

    [Fact]
    public void Training_options_are_written_in_PEFTs_form()
    {
        var options = new TrainingOptions
        {
            TargetModules = TargetModules.Named("q_proj", "v_proj"),
            ExcludeModules = TargetModules.Matching(@".*\.0\..*"),
            RankPattern = new Dictionary<string, int> { ["v_proj"] = 4 },
            LrSchedulerType = SchedulerType.Linear,
            AdamBeta1 = 0.5,
            UseRslora = true,
        };
        string json = JsonSerializer.Serialize(options, OptionsJson.Default.TrainingOptions);
        Assert.Equal(
            """{"target_modules":["q_proj","v_proj"],"exclude_modules":".*\\.0\\..*","use_rslora":true,"rank_pattern":{"v_proj":4},"adam_beta1":0.5,"lr_scheduler_type":"linear"}""",
            json);
        TrainingOptions read = JsonSerializer.Deserialize(json, OptionsJson.Default.TrainingOptions)!;
        Assert.Equal(json, JsonSerializer.Serialize(read, OptionsJson.Default.TrainingOptions));
    }

    [Fact]
    public void House_rules_are_written_under_the_librarys_names()
    {
        var rules = new RulesOptions
        {
            Banned = [new BannedPhrase { Phrase = "weak", Instead = "developing" }, new BannedPhrase { Phrase = "poor" }],
            Required = [new RequiredMention { When = new Condition { Field = "potential", EqualTo = "high" }, Mention = ["succession plan"] }],
        };
        Assert.Equal(
            """{"rules":{"banned":[{"phrase":"weak","instead":"developing"},{"phrase":"poor"}],"required":[{"when":{"field":"potential","equals":"high"},"mention":["succession plan"]}]}}""",
            JsonSerializer.Serialize(new ReportOptions { Rules = rules }, OptionsJson.Default.ReportOptions));
    }

    [Fact]
    public void An_unknown_schema_is_refused()
    {
        var error = Assert.Throws<TailoraException>(() => TailoraNative.OptionsSchema("nonsense"));
        Assert.Equal(TailoraErrorCode.InvalidArgument, error.Code);
    }
}
