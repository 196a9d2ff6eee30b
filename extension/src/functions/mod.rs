//! The scalar and table functions, one file each, named as in SQL.

mod beta_cdf;
mod beta_quantile;
mod bgnbd;
mod chart_svg;
mod chart_text;
mod clv_forecast_piece;
mod clv_model;
mod clv_model_info;
mod clv_piece;
mod compare_losses;
mod distribution;
mod draw_page;
mod encode_actions;
mod evaluate_items_piece;
mod evaluate_model;
mod evaluate_piece;
mod event_line;
mod footfall_devices;
mod footfall_version;
mod from_safetensors;
mod funnel_progress;
mod gamma_gamma;
mod generate_events;
mod gmm;
mod gmm_assign;
mod held_out;
mod history_loss;
mod history_losses;
mod item_model_info;
mod item_rules_piece;
mod key_kind;
mod kmeans;
mod kmeans_assign;
mod kmeans_choose;
mod kmeans_choose_piece;
mod kmeans_distance;
mod kmeans_piece;
mod model_info;
mod next_state;
mod normal_cdf;
mod normal_quantile;
mod order_events;
mod outliers_piece;
mod pack_histories;
mod pack_items;
mod pack_points;
mod pack_sequences;
mod predict_next;
mod predict_piece;
mod propensity_features;
mod propensity_model_info;
mod propensity_own;
mod propensity_pack;
mod propensity_piece;
mod propensity_plan;
mod propensity_read;
mod propensity_reasons;
mod propensity_rows;
mod propensity_score;
mod read_forecast;
mod read_item_rules;
mod read_outlier;
mod read_prediction;
mod recommend;
mod score_items;
mod similar_items;
mod time_features;
mod to_onnx;
mod train_epoch;
mod train_items_piece;
mod train_piece;
mod train_start;
mod zone_time;

use crate::gate::CalledAs;
use crate::scalar;
use crate::table;
use crate::vector::{Chunk, Column};
use duckdb::Connection;
use footfall::error::Error as Failure;
use footfall::sequence::Vocabulary;
use std::error::Error;
use std::ops::Range;

/// Registers every function in the system catalog.
///
/// # Errors
/// When DuckDB refuses one of them.
pub fn register(connection: &Connection) -> Result<(), Box<dyn Error>> {
    scalar::register::<beta_cdf::BetaCdf>(connection)?;
    scalar::register::<beta_quantile::BetaQuantile>(connection)?;
    scalar::register::<bgnbd::Bgnbd>(connection)?;
    scalar::register::<chart_svg::ChartSvg>(connection)?;
    scalar::register::<chart_text::ChartText>(connection)?;
    scalar::register::<clv_forecast_piece::ClvForecastPiece>(connection)?;
    scalar::register::<clv_model::ClvModel>(connection)?;
    scalar::register::<clv_model_info::ClvModelInfo>(connection)?;
    scalar::register::<clv_piece::ClvPiece>(connection)?;
    scalar::register::<compare_losses::CompareLosses>(connection)?;
    scalar::register::<draw_page::DrawPage>(connection)?;
    scalar::register::<encode_actions::EncodeActions>(connection)?;
    scalar::register::<evaluate_items_piece::EvaluateItemsPiece>(connection)?;
    scalar::register::<evaluate_model::EvaluateModel>(connection)?;
    scalar::register::<evaluate_piece::EvaluatePiece>(connection)?;
    scalar::register::<event_line::EventLine>(connection)?;
    scalar::register::<footfall_devices::FootfallDevices>(connection)?;
    scalar::register::<footfall_version::FootfallVersion>(connection)?;
    scalar::register::<from_safetensors::FromSafetensors>(connection)?;
    scalar::register::<funnel_progress::FunnelProgress>(connection)?;
    scalar::register::<gamma_gamma::GammaGamma>(connection)?;
    table::register::<generate_events::GenerateEvents>(connection)?;
    scalar::register::<gmm::Gmm>(connection)?;
    scalar::register::<gmm_assign::GmmAssign>(connection)?;
    scalar::register::<held_out::HeldOut>(connection)?;
    scalar::register::<history_loss::HistoryLoss>(connection)?;
    scalar::register::<history_losses::HistoryLosses>(connection)?;
    scalar::register::<item_model_info::ItemModelInfo>(connection)?;
    scalar::register::<item_rules_piece::ItemRulesPiece>(connection)?;
    scalar::register::<key_kind::KeyKind>(connection)?;
    scalar::register::<kmeans::Kmeans>(connection)?;
    scalar::register::<kmeans_assign::KmeansAssign>(connection)?;
    scalar::register::<kmeans_choose::KmeansChoose>(connection)?;
    scalar::register::<kmeans_choose_piece::KmeansChoosePiece>(connection)?;
    scalar::register::<kmeans_distance::KmeansDistance>(connection)?;
    scalar::register::<kmeans_piece::KmeansPiece>(connection)?;
    scalar::register::<model_info::ModelInfo>(connection)?;
    scalar::register::<next_state::NextState>(connection)?;
    scalar::register::<normal_cdf::NormalCdf>(connection)?;
    scalar::register::<normal_quantile::NormalQuantile>(connection)?;
    scalar::register::<order_events::OrderEvents>(connection)?;
    scalar::register::<outliers_piece::OutliersPiece>(connection)?;
    scalar::register::<pack_histories::PackHistories>(connection)?;
    scalar::register::<pack_items::PackItems>(connection)?;
    scalar::register::<pack_points::PackPoints>(connection)?;
    scalar::register::<pack_sequences::PackSequences>(connection)?;
    scalar::register::<predict_next::PredictNext>(connection)?;
    scalar::register::<predict_piece::PredictPiece>(connection)?;
    scalar::register::<propensity_features::PropensityFeatures>(connection)?;
    scalar::register::<propensity_model_info::PropensityModelInfo>(connection)?;
    scalar::register::<propensity_own::PropensityOwn>(connection)?;
    scalar::register::<propensity_pack::PropensityPack>(connection)?;
    scalar::register::<propensity_piece::PropensityPiece>(connection)?;
    scalar::register::<propensity_plan::PropensityPlan>(connection)?;
    scalar::register::<propensity_read::PropensityRead>(connection)?;
    scalar::register::<propensity_reasons::PropensityReasons>(connection)?;
    scalar::register::<propensity_rows::PropensityRows>(connection)?;
    scalar::register::<propensity_score::PropensityScore>(connection)?;
    scalar::register::<read_forecast::ReadForecast>(connection)?;
    scalar::register::<read_item_rules::ReadItemRules>(connection)?;
    scalar::register::<read_outlier::ReadOutlier>(connection)?;
    scalar::register::<read_prediction::ReadPrediction>(connection)?;
    scalar::register::<recommend::Recommend>(connection)?;
    scalar::register::<score_items::ScoreItems>(connection)?;
    scalar::register::<similar_items::SimilarItems>(connection)?;
    scalar::register::<time_features::TimeFeatures>(connection)?;
    scalar::register::<to_onnx::ToOnnx>(connection)?;
    scalar::register::<train_epoch::TrainEpoch>(connection)?;
    scalar::register::<train_items_piece::TrainItemsPiece>(connection)?;
    scalar::register::<train_piece::TrainPiece>(connection)?;
    scalar::register::<train_start::TrainStart>(connection)?;
    scalar::register::<zone_time::ZoneTime>(connection)?;
    Ok(())
}

/// The actions in a list of names; NULL names are left out.
fn vocabulary(names: &Column, entry: Range<usize>) -> Result<Vocabulary, Box<dyn Error>> {
    let known = entry.filter(|&element| !names.is_null(element));
    let names = known
        .map(|element| names.text(element).map(str::to_owned))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Vocabulary::of_actions(names)?)
}

/// The error of a row under the name of the macro that works through the function, where argument `index`
/// holds one.
pub fn as_called(input: &Chunk, index: usize, row: usize, error: impl Into<Box<dyn Error>>) -> Box<dyn Error> {
    let error = error.into();
    if input.width() <= index {
        return error;
    }
    match input.column(index).text(row) {
        Ok(caller) => CalledAs::new(caller, error).into(),
        Err(other) => other,
    }
}

/// A number of threads as an argument.
///
/// # Errors
/// One outside of 1 to 1024.
pub fn threads(value: i64) -> Result<usize, Failure> {
    match value {
        1..=1024 => Ok(value as usize),
        _ => Err(Failure::argument("threads", value, "1 to 1024")),
    }
}
