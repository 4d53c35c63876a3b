<?php
/**
 * The most viewed posts (top.php) as a widget. WordPress keeps the widgets in the option `widget_tally_top`.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

/**
 * A title and the list; nothing where the list is empty.
 */
class Top_Widget extends \WP_Widget {

	/**
	 * Names the widget.
	 */
	public function __construct() {
		parent::__construct(
			'tally_top',
			__( 'Most viewed posts', 'tally-views' ),
			array(
				'classname'             => 'widget_tally_top',
				'description'           => __( 'The most viewed posts, as counted by Tally.', 'tally-views' ),
				'show_instance_in_rest' => true,
			)
		);
	}

	/**
	 * Prints the widget.
	 *
	 * @param array $args     What the theme puts around it.
	 * @param array $instance The widget's settings.
	 */
	public function widget( $args, $instance ) {
		$html = top_html( $instance );
		if ( '' === $html ) {
			return;
		}
		$title = isset( $instance['title'] ) ? $instance['title'] : '';
		// As in the widgets of WordPress.
		$title = apply_filters( 'widget_title', $title, $instance, $this->id_base ); // phpcs:ignore WordPress.NamingConventions.PrefixAllGlobals.NonPrefixedHooknameFound
		echo $args['before_widget']; // phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- the theme's.
		if ( '' !== $title ) {
			echo $args['before_title'] . esc_html( $title ) . $args['after_title']; // phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- the theme's.
		}
		echo $html; // phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- escaped in top_item().
		echo $args['after_widget']; // phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- the theme's.
	}

	/**
	 * Makes settings of what was sent.
	 *
	 * @param array $sent   What the form sent.
	 * @param array $before The settings before.
	 * @return array
	 */
	public function update( $sent, $before ) {
		$title = isset( $sent['title'] ) ? sanitize_text_field( $sent['title'] ) : '';
		// A box that is not checked is not sent.
		$boxes = array_fill_keys( array( 'views', 'thumbnail', 'author' ), false );
		return array( 'title' => $title ) + top_options( $sent + $boxes );
	}

	/**
	 * Prints the form of the settings.
	 *
	 * @param array $instance The widget's settings.
	 * @return string Anything but `noform`: there is something to save.
	 */
	public function form( $instance ) {
		$title   = isset( $instance['title'] ) ? $instance['title'] : __( 'Most viewed posts', 'tally-views' );
		$options = top_options( $instance );
		$this->print_field( 'title', __( 'Title:', 'tally-views' ), sprintf( 'type="text" class="widefat" value="%s"', esc_attr( $title ) ) );
		$this->print_field( 'limit', __( 'Number of posts:', 'tally-views' ), sprintf( 'type="number" class="tiny-text" min="1" max="50" value="%d"', $options['limit'] ) );
		$this->print_periods( $options['period'] );
		foreach ( $this->boxes() as $name => $label ) {
			$this->print_field( $name, $label, sprintf( 'type="checkbox" value="1"%s', checked( $options[ $name ], true, false ) ) );
		}
		return '';
	}

	/**
	 * What can be switched on and off.
	 *
	 * @return string[] The labels by setting.
	 */
	private function boxes() {
		return array(
			'views'     => __( 'Show the views', 'tally-views' ),
			'thumbnail' => __( 'Show the featured images', 'tally-views' ),
			'author'    => __( 'Show the authors', 'tally-views' ),
		);
	}

	/**
	 * Prints a field.
	 *
	 * @param string $name       The setting.
	 * @param string $label      What it is.
	 * @param string $attributes The input's, escaped.
	 */
	private function print_field( $name, $label, $attributes ) {
		printf(
			'<p><label for="%1$s">%2$s</label> <input id="%1$s" name="%3$s" %4$s></p>',
			esc_attr( $this->get_field_id( $name ) ),
			esc_html( $label ),
			esc_attr( $this->get_field_name( $name ) ),
			$attributes // phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- by form().
		);
	}

	/**
	 * Prints the choice of the period.
	 *
	 * @param string $chosen The period that is set.
	 */
	private function print_periods( $chosen ) {
		printf(
			'<p><label for="%1$s">%2$s</label> <select id="%1$s" name="%3$s">',
			esc_attr( $this->get_field_id( 'period' ) ),
			esc_html__( 'Period:', 'tally-views' ),
			esc_attr( $this->get_field_name( 'period' ) )
		);
		foreach ( period_names() as $period => $name ) {
			printf( '<option value="%s"%s>%s</option>', esc_attr( $period ), selected( $period, $chosen, false ), esc_html( $name ) );
		}
		echo '</select></p>';
	}
}
