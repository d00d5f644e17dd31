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
    public static TheoryData<string, Type> Sets
    {
        get
        {
            var sets = new TheoryData<string, Type>();
            foreach (KeyValuePair<string, Type> set in TailoraOptions.Sets)
            {
                sets.Add(set.Key, set.Value);
            }

            return sets;
        }
    }

    [Fact]
    public void Every_record_of_options_is_of_a_set() =>
        Assert.Equal(
            typeof(TrainingOptions).Assembly.GetExportedTypes()
                .Where(type => type.Name.EndsWith("Options", StringComparison.Ordinal) && !type.IsAbstract).OrderBy(type => type.Name),
            TailoraOptions.Sets.Values.OrderBy(type => type.Name));

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
        var rules = new HouseRules
        {
            Banned = [new BannedPhrase { Phrase = "weak", Instead = "developing" }, new BannedPhrase { Phrase = "poor" }],
            Required = [new RequiredMention { When = new Condition { Field = "potential", EqualTo = "high" }, Mention = ["succession plan"], Write = "A succession plan." }],
        };
        Assert.Equal(
            """{"rules":{"banned":[{"phrase":"weak","instead":"developing"},{"phrase":"poor"}],"required":[{"when":{"field":"potential","equals":"high"},"mention":["succession plan"],"write":"A succession plan."}]}}""",
            JsonSerializer.Serialize(new ReportOptions { Rules = rules }, OptionsJson.Default.ReportOptions));
    }

    [Fact]
    public void An_unknown_schema_is_refused()
    {
        var error = Assert.Throws<TailoraException>(() => TailoraNative.OptionsSchema("nonsense"));
        Assert.Equal(TailoraErrorCode.InvalidArgument, error.Code);
    }

    [Fact]
    public void Options_are_read_from_files_with_what_they_leave_out_left_out()
    {
        using var folder = new TemporaryFolder();
        string yaml = folder.Write("hr.yaml", """
            name: hr_review          # house style
            learning_rate: 2e-4
            max_memory: 1.5 GiB
            gradient_checkpointing: auto
            target_modules: [q_proj, v_proj]
            rank_pattern: {q_proj: 4}
            lr_scheduler_type: linear
            """);
        TrainingOptions options = TailoraOptions.FromFile<TrainingOptions>(yaml);
        Assert.Equal("hr_review", options.Name);
        Assert.Equal(2e-4, options.LearningRate);
        Assert.Equal(3L << 29, options.MaxMemory);
        Assert.Null(options.GradientCheckpointing);
        Assert.Equal("[q_proj, v_proj]", options.TargetModules!.ToString());
        Assert.Equal(4, options.RankPattern!["q_proj"]);
        Assert.Equal(SchedulerType.Linear, options.LrSchedulerType);
        Assert.Null(options.R);
        string json = folder.Write("batch.json", """{"input_column": null, "id_column": "工号", "report": {"generate": {"seed": 5}}}""");
        BatchOptions batch = TailoraOptions.FromFile<BatchOptions>(json);
        Assert.Equal(BatchOptions.AllColumns, batch.InputColumn);
        Assert.Equal(5ul, batch.Report!.Generate!.Seed);
        Assert.Equal(
            """{"input_column":null,"id_column":"工号"}""",
            JsonSerializer.Serialize(batch with { Report = null }, OptionsJson.Default.BatchOptions).Replace("\\u5DE5\\u53F7", "工号", StringComparison.Ordinal));
        Assert.Null(TailoraOptions.FromFile<SessionOptions>(folder.Write("empty.yml", "")).System);
    }

    [Fact]
    public void A_wrong_option_in_a_file_is_named_with_its_line()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("hr.yaml", "name: hr\nr: 16\nlora_alfa: 8\n");
        var error = Assert.Throws<TailoraException>(() => TailoraOptions.FromFile<TrainingOptions>(path));
        Assert.Equal(TailoraErrorCode.InvalidOptions, error.Code);
        Assert.Equal(3, error.Details.GetProperty("line").GetInt32());
        Assert.Equal(path, error.Details.GetProperty("path").GetString());
        Assert.Contains("lora_alpha", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => TailoraOptions.FromFile<Report>(path));
        Assert.Equal(TailoraErrorCode.Io, Assert.Throws<TailoraException>(() => TailoraOptions.FromFile<ModelOptions>("no/such.yaml")).Code);
    }
}
